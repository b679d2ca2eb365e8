/** The alarm of `connection.idle(ms)` and of `idleTimeoutMs`: rings once a peer has sent no message for so long. Made for those who ask. */
import type { Clock, Timer } from "../../runtime/clock.js";

/** An alarm that rings later than this after its time has been held up: the event loop was blocked, or the process was stopped. */
const LATE_MS = 100;
/** Then what has arrived may still be on its way: compressed messages are inflated by a thread, which takes milliseconds. */
const GRACE_MS = 1_000;

export class IdleAlarm {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onSilence: () => void;
  #heardAt: number;
  #timer: Timer | undefined;
  /** It has rung late for this silence, and looks again. */
  #wasLate = false;

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
    this.#wasLate = false;
    // Not set anew for each message: when it rings it looks how long the silence was.
    this.#timer ??= this.#clock.after(this.#ms, this.#look);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    const leftMs = this.#heardAt + this.#ms - this.#clock.now();
    const isLate = leftMs < -LATE_MS && !this.#wasLate;
    if (isLate) this.#wasLate = true;
    const againMs = isLate ? GRACE_MS : leftMs;
    this.#timer = againMs > 0 ? this.#clock.after(againMs, this.#look) : undefined;
    if (againMs <= 0) this.#onSilence();
  };
}
