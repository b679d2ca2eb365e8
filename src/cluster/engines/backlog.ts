/**
 * The bytes that an engine was sent and has not confirmed. The limit bounds memory while an engine is silent but not yet given up. Each
 * link to an engine has a backlog, which needs no closing.
 */

/** A full backlog takes no more: the engine does not get the message, and the message is lost, as while the link is down. */
const MAX_BYTES = 16 * 1_048_576;

export class Backlog {
  #bytes = 0;
  /** Confirmations of an earlier connection do not count. */
  #epoch = 0;

  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns a function to call when the engine has confirmed the bytes */
  add(bytes: number): () => void {
    this.#bytes += bytes;
    return this.confirmation(bytes);
  }

  /** For bytes added before. @returns a function to call when the engine has confirmed the bytes */
  confirmation(bytes: number): () => void {
    const epoch = this.#epoch;
    return () => {
      if (epoch === this.#epoch) this.#bytes -= bytes;
    };
  }

  /** The connection is closed, and every byte under way is lost. */
  clear(): void {
    this.#bytes = 0;
    this.#epoch++;
  }
}
