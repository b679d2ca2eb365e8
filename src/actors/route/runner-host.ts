/** The host of a runner: a route, or a channel. The host creates the runner, and both end together. */
import type { Connection, ConnectionId, Data } from "../../api/connection.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { LevelSource, Logger } from "../../runtime/logger.js";
import type { Turn } from "../../runtime/turn.js";
import type { LeakKind } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { RoomStore } from "../history/room-store.js";
import type { RouteBus } from "./bus.js";
import type { ConnectionQueue } from "./connection-queue.js";
import type { Counters } from "./counters.js";
import type { Mailbox } from "./mailbox.js";
import type { RouteTracing } from "./route-tracing.js";
import type { Target } from "./runner.js";

/** What a route or a channel provides to a runner. */
export interface RunnerHost {
  /** The name in the log and among the actors. */
  readonly name: string;
  /** The name of the channel, with the names of outer channels; absent for a route. */
  readonly channel?: string;
  readonly bus: RouteBus;
  readonly mailbox: Mailbox;
  readonly counters: Counters;
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  /** Whether events and frames are logged. */
  readonly level: LevelSource;
  readonly tracing: RouteTracing;
  readonly newId: () => ConnectionId;
  /** The store of the option `history`. */
  readonly roomStore: RoomStore | undefined;
  /** The way to the same bus on other nodes of a cluster. */
  readonly remoteBus: RemoteBus | undefined;
  /** Encodes a message for the connections of `bus`; throws `BAD_DATA`. */
  encode(data: Data): Frame;
  /** Runs the user's code outside any event: leaks are charged to the handler. */
  run<R>(code: () => R): R;
  /**
   * The user's code has leaked a rejection or an exception. With `connection`: in an event of the connection. With `target` only:
   * outside any event of the target. With neither: in an event of a connection that has ended since, so no budget is charged.
   */
  leaked(error: unknown, kind: LeakKind, connection: Connection | undefined, target?: Target): void;
  /** A connection with a separate queue is closing: the event under way gets the usual time limit. */
  onConnectionLeft(queue: ConnectionQueue): void;
  /** Calls the queue owner's `caughtUp` after the events waiting in the queue now have been handled. */
  catchUp(queue: ConnectionQueue): void;
  /**
   * The user's code has failed outside any event, at the place named by `what`. Charged to the connection if given, else to the
   * handler.
   */
  failed(error: unknown, what: string, connection?: Connection, target?: Target, tookMs?: number): void;
  /** The user's code has failed for a reason on another node: the failure is noted, and nobody is charged. */
  noted(error: unknown, what: string): void;
  /** The peer has sent an invalid message, which is counted and charged to the connection. */
  invalid(connection: Connection, target?: Target): void;
  /** The handler has finished, or with an error has failed too often: closes every connection, and accepts no more. */
  end(error?: unknown): void;
}
