/** A clock that is driven by hand: time stands still until it is told to go on, and steps run when they are run. */
import { type Alarm, AlarmHeap, type Clock, type Timer } from "../../runtime/clock.js";
import { Fifo } from "../../runtime/fifo.js";

export class HandClock implements Clock {
  readonly #alarms = new AlarmHeap();
  readonly #steps = new Fifo<() => void>();
  readonly #soon: ((step: () => void) => void) | undefined;
  #now = 0;

  /** @param soon who runs the steps; without one they wait for `runSteps` */
  constructor(soon?: (step: () => void) => void) {
    this.#soon = soon;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, ring: (() => void) | Alarm): Timer {
    return this.#alarms.set(this.#now + ms, ring);
  }

  soon(step: () => void): void {
    if (this.#soon === undefined) this.#steps.push(step);
    else this.#soon(step);
  }

  /** How many alarms are set. */
  get alarms(): number {
    return this.#alarms.size;
  }

  get hasSteps(): boolean {
    return this.#steps.size > 0;
  }

  /**
   * Runs what waits, and what that adds, until nothing waits. At most so many, though: one that never ends must not keep the test
   * runner from saying so.
   */
  runSteps(most: number = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < most; done++) {
      const step = this.#steps.shift();
      if (step === undefined) return;
      step();
    }
  }

  /** Runs the first that waits. */
  runStep(): void {
    this.#steps.shift()?.();
  }

  /** When the next alarm rings; `undefined` if none is set. */
  get nextDue(): number | undefined {
    return this.#alarms.nextDue;
  }

  /** Goes on to the next alarm, at most to `limit`, and rings it. @returns `false` if none is due by then; it is `limit` now */
  ringNext(limit: number): boolean {
    const due = this.#alarms.nextDue;
    if (due === undefined || due > limit) {
      if (limit !== Number.POSITIVE_INFINITY) this.#now = limit;
      return false;
    }
    this.#now = Math.max(this.#now, due);
    this.#alarms.take(this.#now)?.ring();
    return true;
  }

  /** Lets `ms` pass at once, for tests over real sockets. */
  pass(ms: number): void {
    const limit = this.#now + ms;
    while (this.ringNext(limit));
  }
}
