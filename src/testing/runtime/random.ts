/**
 * Random numbers out of a seed, the same on every machine. A test runtime has a generator for client code, an explored run
 * has generators for decisions and for the scenario; a generator needs no ending.
 */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds must give unrelated numbers, and a state of zero would stay zero.
    this.#state = scatter(seed) || 1;
  }

  /** The next 32 bits (a xorshift generator, scattered). */
  bits(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return scatter(state);
  }

  /** From 0 up to 1, like `Math.random`. */
  fraction(): number {
    return this.bits() / 2 ** 32;
  }

  /** A whole number from 0 up to `limit`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }
}

/** Each bit of a number moves each bit of the result. */
function scatter(number: number): number {
  let bits = Math.imul(number ^ (number >>> 16) ^ 0x9e3779b9, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
