/** A first-in first-out queue, for mailboxes and outboxes: constant time at both ends, and no memory while empty. */

/** With fewer items removed, closing the gap at the front costs more than it frees. */
const COMPACT_FROM = 64;

/** The shared list of every empty queue: a list for each queue of each silent connection would cost too much. Nothing is ever added. */
const EMPTY: never[] = [];

export class Fifo<T> {
  #items: T[] = EMPTY;
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The item that `shift` would remove. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item that was pushed last. */
  get last(): T | undefined {
    return this.#items.at(-1);
  }

  push(item: T): void {
    if (this.#items === EMPTY) this.#items = [item];
    else this.#items.push(item);
  }

  shift(): T | undefined {
    const items = this.#items;
    const last = items.length - 1;
    if (last < 0) return undefined;
    const item = items[this.#head] as T;
    // The slot must not keep the removed item alive; the last item is alive anyway, in its own slot.
    items[this.#head++] = items[last] as T;
    if (this.#head > last) this.clear();
    else if (this.#head >= COMPACT_FROM && this.#head * 2 > last) this.#items = this.takeAll();
    return item;
  }

  /** The items in order. The queue MUST NOT change meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i] as T;
  }

  /** Returns the items in order and empties the queue. */
  takeAll(): T[] {
    const items = this.#items.slice(this.#head);
    this.clear();
    return items;
  }

  clear(): void {
    this.#items = EMPTY;
    this.#head = 0;
  }
}
