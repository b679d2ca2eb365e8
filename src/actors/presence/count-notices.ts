/** The notices of a room with too many keys to list: the number of keys, when the number has changed, at most once a second. Belongs to a room. */
import type { Clock, Timer } from "../../runtime/clock.js";

const PAUSE_MS = 1_000;

export class CountNotices {
  readonly #clock: Clock;
  readonly #count: () => number;
  readonly #tell: (count: number) => void;
  #told: number | undefined;
  #pause: Timer | undefined;

  constructor(clock: Clock, count: () => number, tell: (count: number) => void) {
    this.#clock = clock;
    this.#count = count;
    this.#tell = tell;
  }

  onChanged(): void {
    if (this.#pause !== undefined) return;
    const count = this.#count();
    if (count === this.#told) return;
    this.#told = count;
    this.#pause = this.#clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
      this.onChanged();
    });
    this.#tell(count);
  }

  stop(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#told = undefined;
  }
}
