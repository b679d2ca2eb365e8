/**
 * The budget of a route (option `budget`): makes the pace and the bucket of each connection, charges what the handler was busy with, and wakes
 * the connections that rest. A route has a budget only with a limit; the budget ends with the route.
 */
import type { BudgetOptions } from "../../api/budget.js";
import { HANDLER_FAILED } from "../../api/close-codes.js";
import type { Connection, ConnectionId } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { Alarm, AlarmHeap, type Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { show } from "../../runtime/show.js";
import { optionOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Transport } from "../../transport/transport.js";
import { Bucket, type BucketLimits } from "./bucket.js";
import type { ConnectionQueue, Posted } from "./connection-queue.js";
import type { Counters } from "./counters.js";
import { isFromPeer, type Mailbox } from "./mailbox.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { EventMeter, Metering } from "./metering.js";
import { Pace, type PacedPeer, type PaceHost } from "./pace.js";

export interface BudgetSettings extends BucketLimits {
  readonly over: BudgetOptions["over"];
  readonly key: BudgetOptions["key"] | undefined;
}

/** What a budget needs of its route. */
export interface BudgetParts {
  /** The path of the route. */
  readonly path: string;
  readonly settings: { readonly budget: BudgetSettings };
  readonly clock: Clock;
  readonly log: Logger;
  readonly counters: Counters;
  readonly mailbox: Mailbox;
  readonly metering: Metering;
}

/** A connection under the budget. */
type BudgetedConnection = Connection & PacedPeer & { readonly queue: ConnectionQueue };

/** The budget is itself the only alarm of all that rest. */
export class Budget extends Alarm implements PaceHost, EventMeter {
  readonly over: BudgetOptions["over"];
  readonly isOneAtATime: boolean;
  readonly counters: Counters;
  readonly log: Logger;
  readonly path: string;
  readonly #parts: BudgetParts;
  readonly #onKeyFailed: (error: unknown, connection: ConnectionId) => void;
  readonly #alarms = new AlarmHeap(() => this.#arm());
  /** The buckets of `key`, by name. */
  readonly #shared = new Map<string, Bucket>();
  readonly #idle: Pace[] = [];
  #isRinging = false;

  constructor(parts: BudgetParts, onKeyFailed: (error: unknown, connection: ConnectionId) => void) {
    super();
    const { counters, log, mailbox, metering, path, settings } = parts;
    this.#parts = parts;
    this.#onKeyFailed = onKeyFailed;
    this.over = settings.budget.over;
    this.isOneAtATime = settings.budget.handlerMsPerSecond > 0;
    this.counters = counters;
    this.log = log;
    this.path = path;
    mailbox.budget = this;
    if (this.isOneAtATime) metering.register(this);
  }

  /** Puts a connection under the budget, before any event is posted. */
  register(connection: BudgetedConnection, transport: Transport): void {
    const { queue } = connection;
    const pace = new Pace(this, connection, transport, this.#sharedBucketFor(connection));
    queue.pace = pace;
    queue.payer = pace;
  }

  /** Calls no connection back from now on. */
  stop(): void {
    this.cancel();
  }

  // EventMeter: called by the handler actor.

  ended(event: MailboxEvent, queue: ConnectionQueue, busyMs: number): void {
    queue.payer?.onEnded(isFromPeer(event), busyMs);
  }

  // Called by the mailbox, before each event that is taken.

  serveIdle(): void {
    for (let pace = this.#idle.pop(); pace !== undefined; pace = this.#idle.pop()) pace.goOn();
  }

  // PaceHost: called by the paces.

  createBucket(onUnused?: () => void): Bucket {
    const { clock, settings } = this.#parts;
    return new Bucket({ limits: settings.budget, clock, alarms: this.#alarms }, onUnused);
  }

  admit(posted: Posted): void {
    this.#parts.mailbox.admit(posted);
  }

  beginRest(held: Iterable<Posted>): void {
    this.#parts.mailbox.beginRest(held);
  }

  endRest(): void {
    this.#parts.mailbox.endRest();
  }

  drop(posted: Posted): void {
    this.#parts.mailbox.drop(posted);
  }

  onIdle(pace: Pace): void {
    this.#idle.push(pace);
    this.#parts.mailbox.consumer?.wake();
  }

  ring(): void {
    const now = this.#parts.clock.now();
    this.#isRinging = true;
    try {
      for (let next = this.#alarms.take(now); next !== undefined; next = this.#alarms.take(now)) next.ring();
    } finally {
      this.#isRinging = false;
      this.#arm();
    }
  }

  /** An earlier alarm may stay: to ring once in vain is cheaper than to be set anew for each connection. */
  #arm(): void {
    if (this.#isRinging) return;
    const due = this.#alarms.nextDue;
    const { clock } = this.#parts;
    if (due === undefined) this.cancel();
    else if (this.index < 0 || this.due > due) clock.after(due - clock.now(), this);
  }

  #sharedBucketFor(connection: BudgetedConnection): Bucket | undefined {
    const { key } = this.#parts.settings.budget;
    if (key === undefined) return undefined;
    const name = this.#nameFor(connection, key);
    if (name === undefined) return undefined;
    let bucket = this.#shared.get(name);
    if (bucket === undefined) {
      bucket = this.createBucket(() => this.#shared.delete(name));
      this.#shared.set(name, bucket);
    }
    return bucket;
  }

  /** @returns `undefined` if `key` has failed: the connection is closed then */
  #nameFor(connection: BudgetedConnection, key: BudgetOptions["key"]): string | undefined {
    const { clock, log } = this.#parts;
    try {
      const name: unknown = runFor(optionOwner("budget.key", clock, log), () => key(connection));
      if (typeof name === "string") return name;
      throw new SendallError("BAD_DATA", `budget.key: expected a string, got ${show(name)}`);
    } catch (error) {
      this.#onKeyFailed(error, connection.id);
      // Later, since the transport is still accepting the connection.
      clock.soon(() => connection.close(HANDLER_FAILED.code, HANDLER_FAILED.reason));
      return undefined;
    }
  }
}

/** @returns `undefined` without a limit: then nothing is counted */
export function createBudget(
  parts: BudgetParts,
  onKeyFailed: (error: unknown, connection: ConnectionId) => void,
): Budget | undefined {
  const { messagesPerSecond, bytesPerSecond, handlerMsPerSecond } = parts.settings.budget;
  const isLimited = Math.max(messagesPerSecond, bytesPerSecond, handlerMsPerSecond) > 0;
  return isLimited ? new Budget(parts, onKeyFailed) : undefined;
}
