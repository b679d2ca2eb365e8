/** The alarm of `connection.idle(ms)`: rings once a peer has sent no message for so long. Made for those who ask. */
import type { Clock, Timer } from "../clock.js";

export class IdleAlarm {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onSilence: () => void;
  #heardAt: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, ms: number, onSilence: () => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onSilence = onSilence;
    this.#heardAt = clock.now();
    this.#timer = clock.after(ms, this.#look);
  }

  /** A message has come: the wait starts anew. */
  heard(): void {
    this.#heardAt = this.#clock.now();
    // Not set anew for each message: when it rings it looks how long the silence was.
    this.#timer ??= this.#clock.after(this.#ms, this.#look);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    const leftMs = this.#heardAt + this.#ms - this.#clock.now();
    this.#timer = leftMs > 0 ? this.#clock.after(leftMs, this.#look) : undefined;
    if (leftMs <= 0) this.#onSilence();
  };
}
