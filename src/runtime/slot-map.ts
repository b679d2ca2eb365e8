/**
 * A map of what comes and goes, such as connections, in order of insertion. When entries have come and gone, V8 replaces the table of a `Map`
 * and leaves the old table as it is: with its entries, and with a pointer to the next table. Once an old table is in the old generation,
 * young collections keep alive all that it and the later tables have held, until a full collection. So the table has slots, which are emptied,
 * and what has gone is free.
 */

interface Slot<V> {
  value: V | undefined;
}

export class SlotMap<K, V extends object> {
  readonly #slots = new Map<K, Slot<V>>();

  get size(): number {
    return this.#slots.size;
  }

  get(key: K): V | undefined {
    return this.#slots.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#slots.has(key);
  }

  /** Replaces the value that the key has, in its place. */
  set(key: K, value: V): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) this.#slots.set(key, { value });
    else slot.value = value;
  }

  /** @returns whether the key was there */
  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    slot.value = undefined;
    return this.#slots.delete(key);
  }

  /** May be read while entries come and go, as with a `Map`. */
  *values(): Generator<V> {
    for (const { value } of this.#slots.values()) if (value !== undefined) yield value;
  }
}
