/**
 * What stands between the handler actor and the user's code: each shape of handler is turned into a {@link Runner}, by
 * `handlers/`, for the host that `actors/` gives it.
 */
import type { Clock } from "../clock.js";
import type { Logger } from "../contracts.js";
import type { Bus, Connection, ConnectionId, Data, Frame, MailboxEvent } from "../events.js";
import type { RouteSettings } from "../settings.js";
import type { RouteBus } from "./bus.js";
import type { Counters } from "./counters.js";
import type { Lane, Mailbox } from "./mailbox.js";

/** What the handler actor runs. */
export interface Runner {
  /** `"connection"`: one event at a time for each connection; else one at a time. */
  readonly concurrency: "serial" | "connection";
  /** Whether it takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
  /** MUST be awaited before the first event, and again after a failure under `"restart"`. */
  init(): void | Promise<void>;
  /** Runs the user's code for one event; called without `this`. */
  readonly handle: (event: MailboxEvent, bus: Bus) => unknown;
  /** What `handle` returned, once it is settled; not called for an event that failed or took too long. */
  settled?(result: unknown): void;
  /** An event of a connection has failed. @returns `true` if that has been dealt with, so that nobody is charged */
  failed?(connection: Connection): boolean;
  /** A connection is no target any more. What still waits from it is discarded if it was our side that closed. */
  left?(connection: Connection, isDiscarded: boolean): void;
  /** How many rooms it has made beside those of the route. */
  roomCount?(): number;
  /** The last call. */
  stop(): void | Promise<void>;
}

/** Returned by {@link Runner.handle} for what may take as long as it likes while its connection is there. */
export class Patient {
  readonly until: Promise<void>;

  constructor(until: Promise<void>) {
    this.until = until;
  }
}

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
  readonly newId: () => ConnectionId;
  /** A message as it goes out to the connections of `bus`; throws `BAD_DATA`. */
  encode(data: Data): Frame;
  /** Something was posted into the mailbox. */
  wake(): void;
  /** Runs the user's code outside any event: what it leaks is the handler's own. */
  run<R>(code: () => R): R;
  /** A connection with a lane of its own is no target any more: no patience with what is under way. */
  left(lane: Lane): void;
  /** The user's code has failed outside any event, `what` names where: charged to the connection, or without one to the handler. */
  failed(error: unknown, what: string, connection?: Connection, target?: Target): void;
  /** The handler has come to its end, or with an error has failed too often: everybody is closed, and nobody let in any more. */
  end(error?: unknown): void;
}

/** Whose code handles the events of a lane, and what becomes of it when it fails. */
export interface Target {
  readonly runner: Runner;
  readonly bus: Bus;
  /** Runs `init` again (`supervise.strategy: "restart"`); events wait for it. */
  restart(): void;
  /** It has failed too often. */
  fail(error: unknown): void;
}
