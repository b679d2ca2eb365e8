/**
 * A list that is filled and drained again and again, as the list of what a turn flushes. Keeps its memory, up to a limit: growing a new array
 * for each turn costs more than filling it.
 */

/** A longer list is given up after use: after one broadcast to very many, the memory would be kept for nothing. */
const MAX_KEPT = 16_384;

export class ReusedList<T> {
  /** Few, and drained before the others, the last one first: moving all others for each of them would cost more. */
  readonly #ahead: T[] = [];
  /** The places from `#size` on are free. */
  #items: (T | undefined)[] = [];
  #size = 0;

  push(item: T): void {
    if (this.#size === this.#items.length) this.#items.push(item);
    else this.#items[this.#size] = item;
    this.#size++;
  }

  pushFirst(item: T): void {
    this.#ahead.push(item);
  }

  /** Calls `take`, which MUST NOT change the list, for each item in order, and empties the list. */
  drain(take: (item: T) => void): void {
    while (this.#ahead.length > 0) take(this.#ahead.pop() as T);
    const items = this.#items;
    const size = this.#size;
    this.#size = 0;
    for (let i = 0; i < size; i++) {
      const item = items[i] as T;
      // A free place must not keep the item alive.
      items[i] = undefined;
      take(item);
    }
    if (items.length > MAX_KEPT) this.#items = [];
  }
}
