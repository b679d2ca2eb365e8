/** One direction of a connection in memory: the two ends of `memory.ts` are joined by a pair of these. */
import type { Clock, Timer } from "../../runtime/clock.js";
import { Fifo } from "../../runtime/fifo.js";

/** A line as somebody sees it who decides when what is on its way arrives. */
export interface Carried<T> {
  /** What arrives next; `undefined` if nothing can. */
  readonly next: T | undefined;
  /** Delivers that. */
  deliver(): void;
}

interface Travelling<T> {
  readonly item: T;
  readonly due: number;
}

/**
 * What is on its way in one direction, delivered in order; held while the reader does not read. Each delivery is a step of the
 * clock, or, where somebody else carries, whatever he makes of it.
 */
export class MemoryPipe<T> implements Carried<T> {
  readonly #clock: Clock;
  readonly #deliver: (item: T) => boolean;
  readonly #isCarried: boolean;
  readonly #items = new Fifo<T>();
  /** With a latency: what has not come near yet, and the alarm for the first of it. */
  readonly #travelling = new Fifo<Travelling<T>>();
  #arrival: Timer | undefined;
  #steps = 0;
  #isHeld = false;
  #isCut = false;
  /** How many milliseconds what is pushed from now on takes. */
  latencyMs = 0;

  /**
   * @param deliver says whether the reader has taken all of it; else it comes again
   * @param isCarried whether somebody else calls {@link deliver}
   */
  constructor(clock: Clock, deliver: (item: T) => boolean, isCarried: boolean) {
    this.#clock = clock;
    this.#deliver = deliver;
    this.#isCarried = isCarried;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Nothing is on its way. */
  get isEmpty(): boolean {
    return this.#items.size + this.#travelling.size === 0;
  }

  get next(): T | undefined {
    return this.#isHeld ? undefined : this.#items.first;
  }

  push(item: T): void {
    if (this.#isCut) return;
    if (this.latencyMs === 0 && this.#travelling.size === 0) {
      this.#items.push(item);
      this.#schedule();
      return;
    }
    // It waits for all before it, also if the latency was longer for them.
    this.#travelling.push({ item, due: this.#clock.now() + this.latencyMs });
    this.#await();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#schedule();
  }

  /** What is on its way is lost. */
  clear(): void {
    this.#items.clear();
    this.#travelling.clear();
    this.#arrival?.cancel();
    this.#arrival = undefined;
  }

  /** What is on its way is lost, and nothing can be sent any more. */
  cut(): void {
    this.#isCut = true;
    this.clear();
  }

  deliver(): void {
    const item = this.next;
    if (item === undefined) return;
    // Whoever takes it may have cut this line.
    if (this.#deliver(item) && this.#items.first === item) this.#items.shift();
  }

  #await(): void {
    const first = this.#travelling.first;
    if (first === undefined || this.#arrival !== undefined) return;
    this.#arrival = this.#clock.after(first.due - this.#clock.now(), this.#arrive);
  }

  readonly #arrive = (): void => {
    this.#arrival = undefined;
    const now = this.#clock.now();
    for (let first = this.#travelling.first; first !== undefined && first.due <= now; first = this.#travelling.first) {
      this.#travelling.shift();
      this.#items.push(first.item);
    }
    this.#schedule();
    this.#await();
  };

  #schedule(): void {
    if (this.#isCarried) return;
    while (!this.#isHeld && this.#steps < this.#items.size) {
      this.#steps++;
      this.#clock.soon(this.#step);
    }
  }

  readonly #step = (): void => {
    this.#steps--;
    this.deliver();
  };
}
