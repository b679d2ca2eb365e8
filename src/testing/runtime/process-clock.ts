/**
 * The clock of the server in a test runtime: the time of the environment, and alarms and steps that end with the server's process. Each
 * `ServerProcess` has a clock for its whole life.
 */
import { Alarm, type Clock, type Timer } from "../../runtime/clock.js";

/** Alarms that have gone are dropped from the list once the list has doubled. */
const SWEEP_FROM = 256;

export class ProcessClock implements Clock {
  readonly #clock: Clock;
  /** Weak, since an alarm that has rung, or was cancelled, may refer to a connection that has gone. An alarm that is set stands in the clock. */
  #timers = new Set<WeakRef<Timer>>();
  /** Alarms in the list that may be set again and again, such as heartbeats: one entry each is enough. */
  readonly #ownAlarms = new WeakSet<Alarm>();
  #sweepAt = SWEEP_FROM;
  #hasStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  after(ms: number, ring: (() => void) | Alarm): Timer {
    const timer = this.#clock.after(ms, ring);
    if (this.#hasStopped) timer.cancel();
    else if (typeof ring === "function") this.#keep(timer);
    else if (!this.#ownAlarms.has(ring)) {
      this.#ownAlarms.add(ring);
      this.#keep(ring);
    }
    return timer;
  }

  soon(step: () => void): void {
    this.#clock.soon(() => {
      if (!this.#hasStopped) step();
    });
  }

  /** From now on no alarm rings and no step runs. */
  stop(): void {
    this.#hasStopped = true;
    for (const timer of this.#timers) timer.deref()?.cancel();
    this.#timers.clear();
  }

  #keep(timer: Timer): void {
    this.#timers.add(new WeakRef(timer));
    if (this.#timers.size < this.#sweepAt) return;
    this.#timers = new Set([...this.#timers].filter((reference) => this.#isNeeded(reference)));
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * this.#timers.size);
  }

  /** The alarm is set, or may set itself anew without another entry. */
  #isNeeded(reference: WeakRef<Timer>): boolean {
    const timer = reference.deref();
    return timer instanceof Alarm && (timer.index >= 0 || this.#ownAlarms.has(timer));
  }
}
