/**
 * The contract between the handler actor and the user's code: `handlers/` turns each shape of handler into a {@link Runner}, for
 * a host from `actors/`. A runner ends with its host.
 */

import type { Bus } from "../../api/bus.js";
import type { Connection } from "../../api/connection.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Registered, Registry } from "./registry.js";
import type { RouteTracing } from "./route-tracing.js";

/** The user's code in the form run by the handler actor. */
export interface Runner {
  /** `"serial"`: a single event at a time; `"connection"`: a single event at a time for each connection. */
  readonly concurrency: "serial" | "connection";
  /** Whether the handler takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
  /** Whether the runner only hands events on: the queues of the runner have the events which the user's code handles. */
  readonly isDispatcher?: boolean;
  /** Whether an `info` event without an addressee goes to each connection. */
  readonly tellsEach?: boolean;
  /** MUST be awaited before the first event, and again after a failure under `"restart"`. */
  init(): void | Promise<void>;
  /** Runs the user's code for an event; called without `this`. */
  readonly handle: (event: MailboxEvent, bus: Bus) => unknown;
  /** Receives the settled result of `handle`; not called if the event failed or took too long. */
  settled?(result: unknown): void;
  /** An event of a connection has failed. @returns `true` if the runner has dealt with the failure, so no budget is charged */
  failed?(connection: Connection): boolean;
  /**
   * A connection is no longer a target. @param isDiscarded our side has closed: waiting events of the connection are discarded
   */
  onConnectionLeft?(connection: Connection, isDiscarded: boolean): void;
  /** The connection's events so far are handled. MUST call `done` once the resulting work within the runner is finished, too. */
  caughtUp?(connection: Connection, done: () => void): void;
  /** How many rooms the runner has made besides the rooms of the route. */
  roomCount?(): number;
  /** The channels of the runner, nested channels included. */
  channels?(): Iterable<RunnerChannel>;
  /** How many events of the connection's subscriptions to channels wait. */
  waitingOf?(connection: Connection): number;
  /** Called last. */
  stop(): void | Promise<void>;
}

/** A channel of a runner, as a snapshot sees the channel. */
export interface RunnerChannel {
  readonly channel: string;
  readonly registry: Pick<Registry<Registered>, "roomCount" | "roomSizes">;
  /** Since when `init` of the channel's handler runs again; `undefined` otherwise. */
  readonly heldSince: number | undefined;
  /** The route closes every connection. */
  stopPresence(): void;
}

/**
 * Returned by {@link Runner.handle} for an event whose time limit can be lifted, at once or later, while the connection is open.
 */
export class DeferredTimeout {
  readonly until: Promise<void>;
  /** Settle `until`. */
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
  #isUntimed: boolean;
  #onLifted = (): void => {};

  /** @param isUntimed whether there is no time limit from the beginning */
  constructor(isUntimed: boolean) {
    let [done, failed]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
    this.until = new Promise((resolve, reject) => {
      [done, failed] = [resolve, reject];
    });
    this.done = done;
    this.failed = failed;
    this.#isUntimed = isUntimed;
  }

  get isUntimed(): boolean {
    return this.#isUntimed;
  }

  /** Lifts the time limit. */
  lift(): void {
    this.#isUntimed = true;
    this.#onLifted();
  }

  /** Set by the handler actor, and called by `lift`. */
  set onLifted(listener: () => void) {
    this.#onLifted = listener;
  }
}

/** The code for the events of a queue, and the steps after a failure of the code. */
export interface Target {
  /** The name of the channel, with the names of outer channels; absent for the handler of a route. */
  readonly channel?: string;
  readonly runner: Runner;
  readonly bus: Bus;
  /** `"serial"`: events are handled one after another; `"connection"`: only events of the same connection are. */
  readonly concurrency: Runner["concurrency"];
  /** Receives leaks outside any event of a connection. */
  readonly leakOwner: LeakOwner;
  readonly tracing: RouteTracing;
  /** Runs `init` again (`supervise.strategy: "restart"`) while events wait. */
  restart(): void;
  /** The code has failed too often. */
  fail(error: unknown): void;
}
