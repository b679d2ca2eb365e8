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
    else this.#keep(timer);
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
    this.#timers = new Set([...this.#timers].filter(isSet));
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * this.#timers.size);
  }
}

function isSet(reference: WeakRef<Timer>): boolean {
  const timer = reference.deref();
  return timer instanceof Alarm && timer.index >= 0;
}
