/** A first-in first-out queue, for mailboxes and outboxes: constant time at both ends, and no memory while it is empty. */

/** Below this many, closing the gap at the front costs more than it frees. */
const COMPACT_FROM = 64;

/** What all that are empty have: a list for each lane of each silent connection would be a lot. Nothing is ever put into it. */
const NONE: never[] = [];

export class Fifo<T> {
  #items: T[] = NONE;
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The item that `shift` would take out. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    if (this.#items === NONE) this.#items = [item];
    else this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    const last = this.#items.at(-1);
    if (item === undefined || last === undefined) return undefined;
    // The slot lets go of what left it: the last item is kept alive by its own slot anyway.
    this.#items[this.#head++] = last;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#items.length) this.#items = this.takeAll();
    return item;
  }

  /** All items in order; the queue is empty afterwards. */
  takeAll(): T[] {
    const items = this.#items.slice(this.#head);
    this.clear();
    return items;
  }

  clear(): void {
    this.#items = NONE;
    this.#head = 0;
  }
}
