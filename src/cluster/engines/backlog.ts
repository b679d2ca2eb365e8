/** How much an engine has been sent and has not confirmed: what bounds memory while an engine is silent and not yet given up. */

/** More is not taken: a message that the engine does not get is lost, as while the link is down. */
const MAX_BYTES = 16 * 1_048_576;

export class Backlog {
  #bytes = 0;
  /** Confirmations of an earlier connection do not count. */
  #era = 0;

  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns to be called once the engine has them */
  add(bytes: number): () => void {
    this.#bytes += bytes;
    return this.confirmation(bytes);
  }

  /** For bytes that were added before. */
  confirmation(bytes: number): () => void {
    const era = this.#era;
    return () => {
      if (era === this.#era) this.#bytes -= bytes;
    };
  }

  /** The connection has gone, and all that was under way with it. */
  clear(): void {
    this.#bytes = 0;
    this.#era++;
  }
}
