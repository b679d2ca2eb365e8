/** Keys in a document, each given once: AsyncAPI allows letters, digits, `.`, `-` and `_`, and names of messages may be any text. */
export class Keys {
  readonly #taken = new Set<string>();

  /** @returns the name itself if AsyncAPI allows the name, and nothing has the key */
  take(name: string): string {
    const wanted = keyFor(name);
    let key = wanted;
    for (let n = 2; this.#taken.has(key); n++) key = `${wanted}_${n}`;
    this.#taken.add(key);
    return key;
  }

  /** Names that are keys as they are come first, and stay so; the result is in the order of the names. */
  takeAll(names: readonly string[]): string[] {
    const isKey = (name: string): boolean => keyFor(name) === name;
    const order = [...names.filter(isKey), ...names.filter((name) => !isKey(name))];
    const keys = new Map(order.map((name) => [name, this.take(name)]));
    return names.map((name) => keys.get(name) ?? name);
  }
}

/** Readers of documents look keys up in objects, which have names such as `constructor` from birth. */
function keyFor(name: string): string {
  const plain = name.replace(/[^\w.-]+/g, "_");
  return plain in Object.prototype ? `_${plain}` : plain;
}
