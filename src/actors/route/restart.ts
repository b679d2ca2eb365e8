/**
 * Runs a handler's `init` again after a failure, for a route or for a channel, while events wait. A run ends when `init` settles
 * or the time is up.
 */

import { SendallError } from "../../api/errors.js";
import type { Clock, Timer } from "../../runtime/clock.js";

export interface RestartParts {
  readonly clock: Clock;
  /** How long `init` may take. */
  readonly timeoutMs: number;
  readonly init: () => Promise<void>;
  /** Called when events need no longer wait. */
  readonly onEnded: () => void;
  /** Called after `onEnded`. @param tookMs how long `init` ran */
  readonly onFailed: (error: unknown, tookMs: number) => void;
}

export class Restart {
  readonly #parts: RestartParts;
  /** Set while `init` runs; after another run or `stop`, the result of the earlier run is ignored. */
  #timer: Timer | undefined;
  #startedAt = 0;

  constructor(parts: RestartParts) {
    this.#parts = parts;
  }

  get isUnderWay(): boolean {
    return this.#timer !== undefined;
  }

  /** When the present run of `init` began. */
  get since(): number | undefined {
    return this.isUnderWay ? this.#startedAt : undefined;
  }

  begin(): void {
    const { clock, timeoutMs, init, onFailed } = this.#parts;
    const startedAt = clock.now();
    this.#startedAt = startedAt;
    const ended = (error?: unknown): void => {
      if (this.#timer !== timer) return;
      this.stop();
      if (error !== undefined) onFailed(error, clock.now() - startedAt);
    };
    const tooLate = new SendallError("HANDLER_TIMEOUT", `"init": it was not finished after ${timeoutMs} ms`);
    this.#timer?.cancel();
    const timer = clock.after(timeoutMs, () => ended(tooLate));
    this.#timer = timer;
    init().then(
      () => ended(),
      (error: unknown) => ended(error ?? new Error("init failed")),
    );
  }

  /** Stops waiting for `init`. */
  stop(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#parts.onEnded();
  }
}
