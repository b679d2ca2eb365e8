/** One direction of a connection in memory: the two ends of `memory.ts` are joined by a pair of these. */
import type { Clock } from "../clock.js";
import { Fifo } from "../fifo.js";

/** One direction: what is on its way, delivered in order, one step each; held while the reader does not read. */
export class Line<T> {
  readonly #clock: Clock;
  readonly #deliver: (item: T) => void;
  readonly #items = new Fifo<T>();
  #steps = 0;
  #isHeld = false;
  #isCut = false;

  constructor(clock: Clock, deliver: (item: T) => void) {
    this.#clock = clock;
    this.#deliver = deliver;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  push(item: T): void {
    if (this.#isCut) return;
    this.#items.push(item);
    this.#schedule();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#schedule();
  }

  /** What is on its way is lost, and nothing can be sent any more. */
  cut(): void {
    this.#isCut = true;
    this.#items.clear();
  }

  #schedule(): void {
    while (!this.#isHeld && this.#steps < this.#items.size) {
      this.#steps++;
      this.#clock.soon(this.#step);
    }
  }

  readonly #step = (): void => {
    this.#steps--;
    if (this.#isHeld) return;
    const item = this.#items.shift();
    if (item !== undefined) this.#deliver(item);
  };
}
