/**
 * Where the frames of a peer begin and end (RFC 6455 section 5.2), for a reader that leaves the frames themselves to `ws`. Each
 * `FrameReader` has one.
 */

const FIN = 0x80;
const OPCODE = 0x0f;
const FIRST_CONTROL = 0x8;
const IS_MASKED = 0x80;
const LENGTH = 0x7f;
/** The longest header: 2 bytes, a length of 8 bytes and a mask of 4 bytes. */
const MAX_HEADER_BYTES = 14;

export class FrameBounds {
  /** The first part of a message has begun, and the last part has not. */
  isWithinMessage = false;
  /** How many control frames and last parts of messages have begun. */
  completed = 0;
  /** How many bytes of the frame that has begun have yet to come. */
  #missing = 0;
  /** The bytes of a header that has not come whole. */
  #header: Buffer | undefined;

  /** @returns where the next frame begins in what has come, or the chunk's length if no frame begins there */
  next(chunk: Buffer): number {
    if (this.#header !== undefined) return this.#completeHeader(this.#header, chunk);
    if (this.#missing === 0) return 0;
    const at = Math.min(this.#missing, chunk.length);
    this.#missing -= at;
    return at;
  }

  /** @returns where the frame that begins at `at` ends, or the chunk's length if the frame goes on */
  skip(chunk: Buffer, at: number): number {
    const bytes = this.#frameBytes(chunk, at);
    if (bytes === undefined) this.#header = Buffer.from(chunk.subarray(at));
    const end = bytes === undefined ? chunk.length : at + bytes;
    this.#missing = Math.max(0, end - chunk.length);
    return Math.min(end, chunk.length);
  }

  #completeHeader(known: Buffer, chunk: Buffer): number {
    const header = Buffer.concat([known, chunk.subarray(0, MAX_HEADER_BYTES - known.length)]);
    const bytes = this.#frameBytes(header, 0);
    this.#header = bytes === undefined ? header : undefined;
    this.#missing = bytes === undefined ? 0 : bytes - known.length;
    return bytes === undefined ? chunk.length : this.next(chunk);
  }

  /** The bytes of a frame; `undefined` if the header is not whole. */
  #frameBytes(chunk: Buffer, at: number): number | undefined {
    const first = chunk[at];
    const second = chunk[at + 1];
    if (first === undefined || second === undefined) return undefined;
    const length = second & LENGTH;
    const lengthBytes = length === 126 ? 2 : length === 127 ? 8 : 0;
    const header = 2 + lengthBytes + (second >= IS_MASKED ? 4 : 0);
    if (at + header > chunk.length) return undefined;
    this.#note(first);
    if (lengthBytes === 0) return header + length;
    // More than 2^53 bytes are refused by `ws` before the sum matters.
    return header + (lengthBytes === 2 ? chunk.readUInt16BE(at + 2) : Number(chunk.readBigUInt64BE(at + 2)));
  }

  #note(first: number): void {
    const isLast = (first & OPCODE) >= FIRST_CONTROL || first >= FIN;
    if (isLast) this.completed++;
    if ((first & OPCODE) < FIRST_CONTROL) this.isWithinMessage = !isLast;
  }
}
