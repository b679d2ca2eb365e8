/** Runs a handler's `init` again after a failure: for a route, or for one of its channels. Its events wait meanwhile. */

import { SendallError } from "../../api/errors.js";
import type { Clock, Timer } from "../../runtime/clock.js";

export interface RestartParts {
  readonly clock: Clock;
  /** How long `init` may take. */
  readonly timeoutMs: number;
  readonly init: () => Promise<void>;
  /** Events need not wait any more. */
  readonly onEnded: () => void;
  /** Told after that. @param tookMs how long `init` ran */
  readonly onFailed: (error: unknown, tookMs: number) => void;
}

export class Restart {
  readonly #parts: RestartParts;
  /** For as long as `init` runs: another run, or the end, makes its result count no more. */
  #timer: Timer | undefined;

  constructor(parts: RestartParts) {
    this.#parts = parts;
  }

  get isUnderWay(): boolean {
    return this.#timer !== undefined;
  }

  begin(): void {
    const { clock, timeoutMs, init, onFailed } = this.#parts;
    const startedAt = clock.now();
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

  /** It is waited for no longer. */
  stop(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#parts.onEnded();
  }
}
