/** The notices of a room with too many keys to list: the number of keys, when the number has changed, at most once a second. Belongs to a room. */
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Cause } from "./audience.js";

const PAUSE_MS = 1_000;
/** After a pause the count is the sum of many changes. */
const MANY: Cause = { id: undefined, isLocal: true };

export class CountNotices {
  readonly #clock: Clock;
  readonly #count: () => number;
  readonly #tell: (count: number, cause: Cause) => void;
  #told: number | undefined;
  #pause: Timer | undefined;

  constructor(clock: Clock, count: () => number, tell: (count: number, cause: Cause) => void) {
    this.#clock = clock;
    this.#count = count;
    this.#tell = tell;
  }

  /** @param cause the cause of the last change */
  onChanged(cause: Cause): void {
    if (this.#pause !== undefined) return;
    const count = this.#count();
    if (count === this.#told) return;
    this.#told = count;
    this.#pause = this.#clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
      this.onChanged(MANY);
    });
    this.#tell(count, cause);
  }

  stop(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#told = undefined;
  }
}
