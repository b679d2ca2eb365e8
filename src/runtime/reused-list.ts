/**
 * A list that is filled and drained again and again, as the list of what a turn flushes. Keeps its memory, up to a limit: growing a new array
 * for each turn costs more than filling it.
 */

/** A longer list is given up after use: after one broadcast to very many, the memory would be kept for nothing. */
const MAX_KEPT = 16_384;

/** So few that what is read of them is still in the processor's cache when the last one is taken. */
const PEEKED_AT_ONCE = 16;

export class ReusedList<T> {
  /** Few, and drained before the others, the last one first: moving all others for each of them would cost more. */
  readonly #ahead: T[] = [];
  /** The places from `#size` on are free. */
  #items: (T | undefined)[] = [];
  #size = 0;
  /** What `peek` has returned. Read by nobody, but without it the compiler could leave the calls out. */
  protected peeked = 0;

  push(item: T): void {
    if (this.#size === this.#items.length) this.#items.push(item);
    else this.#items[this.#size] = item;
    this.#size++;
  }

  pushFirst(item: T): void {
    this.#ahead.push(item);
  }

  /**
   * Calls `take`, which MUST NOT change the list, for each item in order, and empties the list.
   *
   * @param peek called for several items ahead of `take`. Reads what `take` will read and has no other effect: the processor fetches the
   * memory of several items at the same time, but that of one item after the other where each `take` displaces what its cache holds.
   */
  drain(take: (item: T) => void, peek?: (item: T) => number): void {
    while (this.#ahead.length > 0) take(this.#ahead.pop() as T);
    const items = this.#items;
    const size = this.#size;
    this.#size = 0;
    for (let i = 0; i < size; i++) {
      if (peek !== undefined && i % PEEKED_AT_ONCE === 0) this.#peek(peek, i, Math.min(i + PEEKED_AT_ONCE, size));
      const item = items[i] as T;
      // A free place must not keep the item alive.
      items[i] = undefined;
      take(item);
    }
    if (items.length > MAX_KEPT) this.#items = [];
  }

  #peek(peek: (item: T) => number, from: number, to: number): void {
    let sum = 0;
    for (let i = from; i < to; i++) sum += peek(this.#items[i] as T);
    this.peeked = sum;
  }
}
