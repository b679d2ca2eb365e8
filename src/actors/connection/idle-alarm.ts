/**
 * The alarm of `connection.idle(ms)` and of `idleTimeoutMs`: rings once a peer has sent no message for `ms`. Made only for
 * connections with such a limit. After ringing, the next message starts the wait again; `cancel` ends the alarm.
 */
import type { Clock, Timer } from "../../runtime/clock.js";

/** An alarm later than this was held up: the event loop was blocked, or the process was stopped. */
const LATE_MS = 100;
/**
 * After such a delay, received data may still be in processing: compressed messages are inflated by a thread, which takes
 * milliseconds.
 */
const GRACE_MS = 1_000;

export class IdleAlarm {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onSilence: () => void;
  #heardAt: number;
  #timer: Timer | undefined;
  /** The alarm has rung late during the current silence, and has been granted `GRACE_MS`. */
  #wasLate = false;

  constructor(clock: Clock, ms: number, onSilence: () => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onSilence = onSilence;
    this.#heardAt = clock.now();
    this.#timer = clock.after(ms, this.#check);
  }

  /** A message has arrived: the wait starts again. */
  heard(): void {
    this.#heardAt = this.#clock.now();
    this.#wasLate = false;
    // The timer is not reset for each message: `#check` computes the length of the silence.
    this.#timer ??= this.#clock.after(this.#ms, this.#check);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #check = (): void => {
    const leftMs = this.#heardAt + this.#ms - this.#clock.now();
    const isLate = leftMs < -LATE_MS && !this.#wasLate;
    if (isLate) this.#wasLate = true;
    const againMs = isLate ? GRACE_MS : leftMs;
    this.#timer = againMs > 0 ? this.#clock.after(againMs, this.#check) : undefined;
    if (againMs <= 0) this.#onSilence();
  };
}
