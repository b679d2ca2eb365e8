/** What surrounds a runner: its route, or its channel. */
import type { Connection, ConnectionId, Data } from "../../api/connection.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { LevelSource, Logger } from "../../runtime/logger.js";
import type { LeakKind } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { RouteBus } from "./bus.js";
import type { ConnectionQueue } from "./connection-queue.js";
import type { Counters } from "./counters.js";
import type { Mailbox } from "./mailbox.js";
import type { Target } from "./runner.js";

/** What a runner finds around it: its route, or the channel that it is for. */
export interface RunnerHost {
  /** Names it in the log and among the actors. */
  readonly name: string;
  readonly bus: RouteBus;
  readonly mailbox: Mailbox;
  readonly counters: Counters;
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether events and frames are logged. */
  readonly level: LevelSource;
  readonly newId: () => ConnectionId;
  /** The way to the same bus on other nodes, if there are any. */
  readonly remoteBus: RemoteBus | undefined;
  /** A message as it goes out to the connections of `bus`; throws `BAD_DATA`. */
  encode(data: Data): Frame;
  /** Runs the user's code outside any event: what it leaks is the handler's own. */
  run<R>(code: () => R): R;
  /**
   * The user's code has leaked a rejection or an exception: in an event of this connection; without one, outside any event of this
   * target; without either in an event of a connection that has ended since, so that nobody is charged.
   */
  leaked(error: unknown, kind: LeakKind, connection: Connection | undefined, target?: Target): void;
  /** A connection with a lane of its own is no target any more: no patience with what is under way. */
  onConnectionLeft(lane: ConnectionQueue): void;
  /** Tells the lane's owner once what waits in the lane by now has been handled. */
  catchUp(lane: ConnectionQueue): void;
  /** The user's code has failed outside any event, `what` names where: charged to the connection, or without one to the handler. */
  failed(error: unknown, what: string, connection?: Connection, target?: Target, tookMs?: number): void;
  /** The handler has come to its end, or with an error has failed too often: everybody is closed, and nobody let in any more. */
  end(error?: unknown): void;
}
