/** The wait for the first answer of the engine. The relay begins the wait when a server starts, and ends the wait when the start is over. */
import type { Clock, Timer } from "../runtime/clock.js";

/** An engine that has neither answered nor refused by then has failed. */
const START_MS = 30_000;

export class Opening {
  readonly answered: Promise<void>;
  readonly #timer: Timer;
  /** The engine takes packets and has confirmed the subscriptions. */
  resolve: () => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor(clock: Clock) {
    this.answered = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // May reject before anybody awaits the promise, or if nobody does.
    this.answered.catch(() => {});
    const tooLate = new Error(`it did not answer within ${START_MS} ms`);
    this.#timer = clock.after(START_MS, () => this.reject(tooLate));
  }

  end(): void {
    this.#timer.cancel();
  }
}
