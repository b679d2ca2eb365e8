/**
 * The server's clock, as a store of history gets it: counts the alarms that the store waits for. A test runtime must know that a handler, waiting for
 * the store, waits for virtual time. Lasts as long as the store is open.
 */
import type { Alarm, Clock, Timer } from "../runtime/clock.js";

export class CountingClock implements Clock {
  /** How many alarms are set. */
  pending = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  soon(step: () => void): void {
    this.#clock.soon(step);
  }

  after(ms: number, ring: (() => void) | Alarm): Timer {
    if (typeof ring !== "function") return this.#clock.after(ms, ring);
    let isOver = false;
    const end = (): void => {
      if (!isOver) this.pending--;
      isOver = true;
    };
    this.pending++;
    const timer = this.#clock.after(ms, () => {
      end();
      ring();
    });
    return {
      cancel() {
        end();
        timer.cancel();
      },
    };
  }
}
