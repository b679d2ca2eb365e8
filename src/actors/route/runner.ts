/**
 * What stands between the handler actor and the user's code: each shape of handler is turned into a {@link Runner}, by
 * `handlers/`, for the host that `actors/` gives it.
 */

import type { Bus } from "../../api/bus.js";
import type { Connection } from "../../api/connection.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { MailboxEvent } from "./mailbox-event.js";

/** What the handler actor runs. */
export interface Runner {
  /** `"connection"`: one event at a time for each connection; else one at a time. */
  readonly concurrency: "serial" | "connection";
  /** Whether it takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
  /** Whether what is told to nobody in particular is told to each connection. */
  readonly tellsEach?: boolean;
  /** MUST be awaited before the first event, and again after a failure under `"restart"`. */
  init(): void | Promise<void>;
  /** Runs the user's code for one event; called without `this`. */
  readonly handle: (event: MailboxEvent, bus: Bus) => unknown;
  /** What `handle` returned, once it is settled; not called for an event that failed or took too long. */
  settled?(result: unknown): void;
  /** An event of a connection has failed. @returns `true` if that has been dealt with, so that nobody is charged */
  failed?(connection: Connection): boolean;
  /** A connection is no target any more. What still waits from it is discarded if it was our side that closed. */
  onConnectionLeft?(connection: Connection, isDiscarded: boolean): void;
  /** The connection's events so far are handled. MUST call `done` once what became of them within the runner is handled, too. */
  caughtUp?(connection: Connection, done: () => void): void;
  /** How many rooms it has made beside those of the route. */
  roomCount?(): number;
  /** The last call. */
  stop(): void | Promise<void>;
}

/** Returned by {@link Runner.handle} for what may take as long as it likes, at once or later, while its connection is there. */
export class DeferredTimeout {
  readonly until: Promise<void>;
  /** Settle `until`. */
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
  #isFree: boolean;
  #onFree = (): void => {};

  /** @param isFree whether it may from the beginning */
  constructor(isFree: boolean) {
    let [done, failed]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
    this.until = new Promise((resolve, reject) => {
      [done, failed] = [resolve, reject];
    });
    this.done = done;
    this.failed = failed;
    this.#isFree = isFree;
  }

  get isFree(): boolean {
    return this.#isFree;
  }

  /** From now on it may take as long as it likes. */
  free(): void {
    this.#isFree = true;
    this.#onFree();
  }

  /** The handler actor is told when it is freed. */
  set onFree(listener: () => void) {
    this.#onFree = listener;
  }
}

/** Whose code handles the events of a lane, and what becomes of it when it fails. */
export interface Target {
  readonly runner: Runner;
  readonly bus: Bus;
  /** `"serial"`: its events are handled one after another; `"connection"`: so are those of each connection. */
  readonly concurrency: Runner["concurrency"];
  /** Told of what its code leaks outside any event of a connection. */
  readonly leakOwner: LeakOwner;
  /** Runs `init` again (`supervise.strategy: "restart"`); events wait for it. */
  restart(): void;
  /** It has failed too often. */
  fail(error: unknown): void;
}
