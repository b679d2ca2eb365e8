/**
 * Measures how long events wait for the handler and keep it busy, while anybody asks: histograms, budgets and snapshots register a meter,
 * and without a meter nothing is timed. Each route has one `Metering` for its life; the mailbox and the handler actor report to it.
 */
import type { Clock } from "../../runtime/clock.js";
import type { ConnectionQueue, Posted } from "./connection-queue.js";
import type { MailboxEvent } from "./mailbox-event.js";

/** Told of the events of a route. Methods run within the measured step, so they MUST NOT throw. */
export interface EventMeter {
  /** The event waits for the handler from now on: once posted, and again once there are tokens. */
  posted?(posted: Posted): void;
  /** The event has been taken or discarded, or waits for tokens from now on; called also for an event posted before the meter was registered. */
  left?(posted: Posted): void;
  /** The handler takes the event. @param waitedMs absent for an event posted before any meter was registered */
  began?(event: MailboxEvent, queue: ConnectionQueue, waitedMs: number | undefined, now: number): void;
  /**
   * The handler is done with the event, or the event's time limit was lifted, as for a loop that waits for its next message. Called also
   * for an event under way when the meter was registered.
   *
   * @param busyMs from the call of the handler to the settling of its promise
   */
  ended?(event: MailboxEvent, queue: ConnectionQueue, busyMs: number, now: number): void;
  /** The handler has run events for `ms` without a break. */
  ran?(ms: number): void;
}

export class Metering {
  readonly #clock: Clock;
  #meters: readonly EventMeter[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody measures. A field, since the mailbox and the handler actor ask at each event. */
  isOn = false;

  /** @returns a function that unregisters the meter */
  register(meter: EventMeter): () => void {
    this.#meters = [...this.#meters, meter];
    this.isOn = true;
    return () => {
      this.#meters = this.#meters.filter((one) => one !== meter);
      this.isOn = this.#meters.length > 0;
    };
  }

  now(): number {
    return this.#clock.now();
  }

  posted(posted: Posted): void {
    posted.postedAt = this.#clock.now();
    for (const meter of this.#meters) meter.posted?.(posted);
  }

  left(posted: Posted): void {
    for (const meter of this.#meters) meter.left?.(posted);
  }

  /** @returns the time at which the event began */
  began({ event, queue, postedAt }: Posted): number {
    const now = this.#clock.now();
    const waitedMs = postedAt === undefined ? undefined : Math.max(now - postedAt, 0);
    for (const meter of this.#meters) meter.began?.(event, queue, waitedMs, now);
    return now;
  }

  /** @param startedAt absent for an event that began before any meter was registered */
  ended(event: MailboxEvent, queue: ConnectionQueue, startedAt: number | undefined): void {
    const now = this.#clock.now();
    const busyMs = now - (startedAt ?? now);
    for (const meter of this.#meters) meter.ended?.(event, queue, busyMs, now);
  }

  ran(startedAt: number): void {
    const ms = this.#clock.now() - startedAt;
    for (const meter of this.#meters) meter.ran?.(ms);
  }
}
