/**
 * The events of a route with unsettled promises: limits each event to `handlerTimeoutMs`, logs slow events, and gives each result
 * to the handler actor. The handler actor creates one `EventsUnderWay`; an event ends when the promise settles or the time is up.
 */
import { SendallError } from "../../api/errors.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { ConnectionQueue } from "./connection-queue.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Metering } from "./metering.js";
import type { DeferredTimeout } from "./runner.js";

export interface EventsUnderWayParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metering: Metering;
  readonly timeoutMs: number;
  readonly onDone: (result: unknown, event: MailboxEvent, queue: ConnectionQueue) => void;
  readonly onFailed: (error: unknown, event: MailboxEvent, queue: ConnectionQueue, startedAt: number) => void;
  /** Called when an event has ended, before `onDone` or `onFailed`. */
  readonly onEnded: (queue: ConnectionQueue) => void;
  /** The time limit of an event was lifted: the event need not be awaited while the connection is open. */
  readonly onUntimed: (queue: ConnectionQueue) => void;
}

export interface PendingEvent {
  readonly event: MailboxEvent;
  readonly queue: ConnectionQueue;
  readonly startedAt: number;
  /** Keeps the user's code busy: `false` once the time limit was lifted. */
  isBusy: boolean;
  /** Absent while the event has no time limit. */
  timer: Timer | undefined;
}

/** An event under way for longer is logged. */
const SLOW_MS = 1_000;
const TOO_LATE = "the server closed before it was finished";

export class EventsUnderWay {
  readonly #parts: EventsUnderWayParts;
  /** A field, since the handler reads the size before each event. */
  readonly pending: Set<PendingEvent> = new Set();
  /** How many of the pending events keep the user's code busy. */
  busy = 0;
  /** Pending events without a time limit, each while the connection is open. */
  readonly #untimed = new Map<ConnectionQueue, PendingEvent>();
  #isWaitingSkipped = false;

  constructor(parts: EventsUnderWayParts) {
    this.#parts = parts;
  }

  /** Whether an event with a time limit is under way. */
  get isAwaiting(): boolean {
    return this.pending.size > this.#untimed.size;
  }

  /** Oldest first. */
  get events(): MailboxEvent[] {
    return Array.from(this.pending, ({ event }) => event);
  }

  /** Whether the queue's event under way has no time limit. */
  isUntimed(queue: ConnectionQueue): boolean {
    return this.#untimed.has(queue);
  }

  /** @param startedAt when the event began, if anybody measures. Default: now */
  await(result: PromiseLike<unknown>, event: MailboxEvent, queue: ConnectionQueue, startedAt?: number): void {
    this.#startTimer(this.#follow(result, event, queue, startedAt));
  }

  /** Like `await`, for an event whose runner may lift the time limit. */
  defer(deferred: DeferredTimeout, event: MailboxEvent, queue: ConnectionQueue, startedAt?: number): void {
    const pending = this.#follow(deferred.until, event, queue, startedAt);
    if (deferred.isUntimed) {
      this.#setUntimed(pending);
      return;
    }
    this.#startTimer(pending);
    deferred.onLifted = () => {
      if (!this.pending.has(pending)) return;
      pending.timer?.cancel();
      pending.timer = undefined;
      this.#setUntimed(pending);
      this.#parts.onUntimed(queue);
    };
  }

  /** The queue's connection is closing: from now on the event under way has the usual time limit. */
  onConnectionLeft(queue: ConnectionQueue): void {
    const pending = this.#untimed.get(queue);
    if (pending === undefined) return;
    this.#untimed.delete(queue);
    this.#startTimer(pending);
  }

  /** Times out every event with a time limit: the server is closing. */
  timeOutTimed(): void {
    for (const pending of this.pending) if (pending.timer !== undefined) this.#timeOut(pending, TOO_LATE);
  }

  /** Times out every event now, and each later event at its start. */
  skipWaiting(): void {
    this.timeOutAll();
    this.#isWaitingSkipped = true;
  }

  timeOutAll(): void {
    for (const pending of this.pending) this.#timeOut(pending, TOO_LATE);
  }

  #setUntimed(pending: PendingEvent): void {
    this.#endBusy(pending);
    const { owner } = pending.queue;
    if (owner === undefined || !owner.isOpen || this.#isWaitingSkipped) this.#startTimer(pending);
    else this.#untimed.set(pending.queue, pending);
  }

  #startTimer(pending: PendingEvent): void {
    const { clock, timeoutMs } = this.#parts;
    if (this.#isWaitingSkipped) this.#timeOut(pending, TOO_LATE);
    else pending.timer = clock.after(Math.min(SLOW_MS, timeoutMs), () => this.#onSlow(pending));
  }

  #follow(
    result: PromiseLike<unknown>,
    event: MailboxEvent,
    queue: ConnectionQueue,
    startedAt: number = this.#parts.clock.now(),
  ): PendingEvent {
    const { log, onDone, onFailed } = this.#parts;
    const pending: PendingEvent = { event, queue, startedAt, isBusy: true, timer: undefined };
    this.pending.add(pending);
    this.busy++;
    queue.isUnderWay = true;
    if (queue.group !== undefined) queue.group.isBusy = true;
    const done = (value: unknown): void => {
      if (this.#remove(pending)) onDone(value, event, queue);
    };
    const failed = (error: unknown): void => {
      if (this.#remove(pending)) onFailed(error, event, queue, pending.startedAt);
      else
        log.warn(
          { err: error, event: event.type, connection: event.connection?.id },
          "a handler failed after its timeout",
        );
    };
    // A promise of another library may throw instead of rejecting, even when `then` is read.
    try {
      Promise.resolve(result).then(done, failed);
    } catch (error) {
      Promise.reject(error).catch(failed);
    }
    return pending;
  }

  #endBusy(pending: PendingEvent): void {
    const { metering } = this.#parts;
    if (!pending.isBusy) return;
    pending.isBusy = false;
    this.busy--;
    if (metering.isOn) metering.ended(pending.event, pending.queue, pending.startedAt);
  }

  #onSlow(pending: PendingEvent): void {
    const { clock, timeoutMs, log } = this.#parts;
    const { event } = pending;
    const tooLate = `it was not finished after handlerTimeoutMs (${timeoutMs} ms)`;
    if (timeoutMs > SLOW_MS) {
      log.warn({ event: event.type, connection: event.connection?.id }, "slow handler");
      pending.timer = clock.after(timeoutMs - SLOW_MS, () => this.#timeOut(pending, tooLate));
    } else this.#timeOut(pending, tooLate);
  }

  #timeOut(pending: PendingEvent, why: string): void {
    if (!this.#remove(pending)) return;
    const error = new SendallError("HANDLER_TIMEOUT", `the "${pending.event.type}" event: ${why}`);
    this.#parts.onFailed(error, pending.event, pending.queue, pending.startedAt);
  }

  /** @returns `false` if the event had ended already: by timeout, or because the server has stopped */
  #remove(pending: PendingEvent): boolean {
    pending.timer?.cancel();
    if (!this.pending.delete(pending)) return false;
    this.#endBusy(pending);
    const { queue } = pending;
    queue.isUnderWay = false;
    if (this.#untimed.get(queue) === pending) this.#untimed.delete(queue);
    this.#parts.onEnded(queue);
    return true;
  }
}
