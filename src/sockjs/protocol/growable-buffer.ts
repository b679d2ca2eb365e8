/**
 * Bytes that come in parts and are read as a whole: bodies of requests, messages of hixie-76. They are copied into one buffer, since a
 * list of parts would keep a few hundred bytes for each, and a peer may send a byte at a time.
 */

const FIRST_BYTES = 1_024;

export class Gathered {
  #bytes: Buffer = Buffer.alloc(0);
  length = 0;

  add(part: Buffer): void {
    const length = this.length + part.length;
    if (length > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, FIRST_BYTES));
      this.#bytes.copy(bytes, 0, 0, this.length);
      this.#bytes = bytes;
    }
    part.copy(this.#bytes, this.length);
    this.length = length;
  }

  /** The text so far; nothing is kept of it. */
  take(): string {
    const text = this.#bytes.toString("utf8", 0, this.length);
    this.#bytes = Buffer.alloc(0);
    this.length = 0;
    return text;
  }
}
