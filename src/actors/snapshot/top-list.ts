/** The highest of any number of entries, highest first. A snapshot makes its lists, which end with the snapshot. */

interface Ranked<T> {
  readonly figure: number;
  readonly entry: T;
}

export class TopList<T> {
  readonly #length: number;
  readonly #ranked: Ranked<T>[] = [];

  /** @param length how many entries are kept */
  constructor(length: number) {
    this.#length = length;
  }

  /** The kept entries; of equal figures, the first offered comes first. */
  get entries(): T[] {
    return this.#ranked.map(({ entry }) => entry);
  }

  /** @param create makes the entry, and is called only for an entry that is kept. An entry with the figure 0 is not. */
  offer(figure: number, create: () => T): void {
    const ranked = this.#ranked;
    const isFull = ranked.length >= this.#length;
    if (figure <= 0 || this.#length === 0 || (isFull && figure <= (ranked.at(-1)?.figure ?? 0))) return;
    ranked.splice(this.#indexFor(figure), 0, { figure, entry: create() });
    if (isFull) ranked.pop();
  }

  /** The index behind every entry whose figure is not lower. */
  #indexFor(figure: number): number {
    let [low, high] = [0, this.#ranked.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranked[middle]?.figure ?? 0) >= figure) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
