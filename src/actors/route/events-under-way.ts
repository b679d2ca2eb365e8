/**
 * The events of a route whose promises are not settled: times each by `handlerTimeoutMs`, reports slow ones to the log, and gives the
 * result to the handler actor, which makes one of these. An entry ends when the promise settles, or the time is up.
 */
import { SendallError } from "../../api/errors.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { ConnectionQueue } from "./connection-queue.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { DeferredTimeout } from "./runner.js";

export interface EventsUnderWayParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly timeoutMs: number;
  readonly onDone: (result: unknown, event: MailboxEvent, queue: ConnectionQueue) => void;
  readonly onFailed: (error: unknown, event: MailboxEvent, queue: ConnectionQueue, startedAt: number) => void;
  /** An event has ended, before its result is given. */
  readonly onEnded: (queue: ConnectionQueue) => void;
  /** An event need not be waited for any longer, so long as its connection is there. */
  readonly onFreed: (queue: ConnectionQueue) => void;
}

export interface PendingEvent {
  readonly event: MailboxEvent;
  readonly queue: ConnectionQueue;
  readonly startedAt: number;
  /** Absent while the event may take any time. */
  timer: Timer | undefined;
}

/** An event under way for longer is logged. */
const SLOW_MS = 1_000;
const TOO_LATE = "the server closed before it was finished";

export class EventsUnderWay {
  readonly #parts: EventsUnderWayParts;
  /** A field, since the handler asks for its size before each event. */
  readonly pending: Set<PendingEvent> = new Set();
  /** The pending events that may take any time as long as their connection is there. */
  readonly #untimed = new Map<ConnectionQueue, PendingEvent>();
  #isWaitingSkipped = false;

  constructor(parts: EventsUnderWayParts) {
    this.#parts = parts;
  }

  /** Whether an event is under way that has to end in time. */
  get isAwaiting(): boolean {
    return this.pending.size > this.#untimed.size;
  }

  /** Oldest first. */
  get events(): MailboxEvent[] {
    return Array.from(this.pending, ({ event }) => event);
  }

  /** Whether the queue's event under way may take any time. */
  isUntimed(queue: ConnectionQueue): boolean {
    return this.#untimed.has(queue);
  }

  await(result: PromiseLike<unknown>, event: MailboxEvent, queue: ConnectionQueue): void {
    this.#time(this.#follow(result, event, queue));
  }

  /** As `await`, for an event whose runner may lift the time limit. */
  defer(deferred: DeferredTimeout, event: MailboxEvent, queue: ConnectionQueue): void {
    const pending = this.#follow(deferred.until, event, queue);
    if (deferred.isFree) {
      this.#free(pending);
      return;
    }
    this.#time(pending);
    deferred.onFree = () => {
      if (!this.pending.has(pending)) return;
      pending.timer?.cancel();
      pending.timer = undefined;
      this.#free(pending);
      this.#parts.onFreed(queue);
    };
  }

  /** The queue's connection has gone: its event has to end in time like any other. */
  onConnectionLeft(queue: ConnectionQueue): void {
    const pending = this.#untimed.get(queue);
    if (pending === undefined) return;
    this.#untimed.delete(queue);
    this.#time(pending);
  }

  /** The time of every timed event is up: the server is closing. */
  timeOutTimed(): void {
    for (const pending of this.pending) if (pending.timer !== undefined) this.#timeOut(pending, TOO_LATE);
  }

  /** The time of every event is up, and so is that of each later one at its start. */
  skipWaiting(): void {
    this.timeOutAll();
    this.#isWaitingSkipped = true;
  }

  timeOutAll(): void {
    for (const pending of this.pending) this.#timeOut(pending, TOO_LATE);
  }

  #free(pending: PendingEvent): void {
    const { owner } = pending.queue;
    if (owner === undefined || !owner.isOpen || this.#isWaitingSkipped) this.#time(pending);
    else this.#untimed.set(pending.queue, pending);
  }

  #time(pending: PendingEvent): void {
    const { clock, timeoutMs } = this.#parts;
    if (this.#isWaitingSkipped) this.#timeOut(pending, TOO_LATE);
    else pending.timer = clock.after(Math.min(SLOW_MS, timeoutMs), () => this.#onSlow(pending));
  }

  #follow(result: PromiseLike<unknown>, event: MailboxEvent, queue: ConnectionQueue): PendingEvent {
    const { clock, log, onDone, onFailed } = this.#parts;
    const pending: PendingEvent = { event, queue, startedAt: clock.now(), timer: undefined };
    this.pending.add(pending);
    queue.isUnderWay = true;
    if (queue.group !== undefined) queue.group.isBusy = true;
    const done = (value: unknown): void => {
      if (this.#end(pending)) onDone(value, event, queue);
    };
    const failed = (error: unknown): void => {
      if (this.#end(pending)) onFailed(error, event, queue, pending.startedAt);
      else
        log.warn(
          { err: error, event: event.type, connection: event.connection?.id },
          "a handler failed after its timeout",
        );
    };
    // A promise of another library may throw where it should reject, also when `then` is read.
    try {
      Promise.resolve(result).then(done, failed);
    } catch (error) {
      Promise.reject(error).catch(failed);
    }
    return pending;
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
    if (!this.#end(pending)) return;
    const error = new SendallError("HANDLER_TIMEOUT", `the "${pending.event.type}" event: ${why}`);
    this.#parts.onFailed(error, pending.event, pending.queue, pending.startedAt);
  }

  /** @returns `false` if the event had ended already: its time was up, or the server has stopped */
  #end(pending: PendingEvent): boolean {
    pending.timer?.cancel();
    if (!this.pending.delete(pending)) return false;
    const { queue } = pending;
    queue.isUnderWay = false;
    if (this.#untimed.get(queue) === pending) this.#untimed.delete(queue);
    this.#parts.onEnded(queue);
    return true;
  }
}
