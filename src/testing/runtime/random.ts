/**
 * Random numbers out of a seed, the same on every machine. Each test runtime has a generator for client code, and each explored run
 * generators for its decisions and its scenario; a generator holds nothing that has to be ended.
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

  /** From 0 up to 1, as `Math.random` has it. */
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
