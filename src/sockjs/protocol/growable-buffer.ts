/**
 * A buffer for bytes which arrive in parts and are read as a whole: request bodies, and messages of hixie-76. The parts are
 * copied into one buffer: a list of parts would cost a few hundred bytes for each part, and a peer may send a byte at a time.
 */

const INITIAL_BYTES = 1_024;

export class GrowableBuffer {
  #bytes: Buffer = Buffer.alloc(0);
  length = 0;

  add(part: Buffer): void {
    const length = this.length + part.length;
    if (length > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, INITIAL_BYTES));
      this.#bytes.copy(bytes, 0, 0, this.length);
      this.#bytes = bytes;
    }
    part.copy(this.#bytes, this.length);
    this.length = length;
  }

  /** @returns the bytes as UTF-8 text; the buffer is empty afterwards */
  takeText(): string {
    const text = this.#bytes.toString("utf8", 0, this.length);
    this.#bytes = Buffer.alloc(0);
    this.length = 0;
    return text;
  }
}
