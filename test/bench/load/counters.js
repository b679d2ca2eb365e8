// @ts-check
/**
 * Count what a member gets, without building messages out of it: by bytes where all frames are known beforehand, else by
 * frames, or by a mark that each text ends with. What cannot be right is thrown.
 */
import { constants, inflateRawSync } from "node:zlib";
import { LENGTH_16, LENGTH_64 } from "./frame.js";

/**
 * @typedef {object} Counter
 * @property {(bytes: number, buffer: Buffer) => number} take so many bytes at the buffer's start have come: so many laps end with them
 * @property {() => boolean} isAmid whether a part of a lap has come
 */

/** Each text ends with it, and has it nowhere else. */
export const MARK = "~";
const MARK_BYTE = MARK.charCodeAt(0);
const FIN_TEXT = 0x81;
const FIN_TEXT_DEFLATED = 0xc1;
const FLUSH_TAIL = Buffer.of(0, 0, 0xff, 0xff);

/** @implements {Counter} */
export class ByteCounter {
  #expected;
  #got = 0;
  /** The first lap is compared with what should come, byte by byte. */
  #isFirst = true;

  /** @param {Buffer} expected all that comes in one lap */
  constructor(expected) {
    this.#expected = expected;
  }

  /**
   * @param {number} bytes
   * @param {Buffer} buffer
   */
  take(bytes, buffer) {
    const before = this.#got;
    const got = before + bytes;
    const size = this.#expected.length;
    if (
      this.#isFirst &&
      buffer.compare(this.#expected, before, Math.min(got, size), 0, Math.min(bytes, size - before)) !== 0
    )
      throw new Error("a member got something else than the messages");
    if (got < size) {
      this.#got = got;
      return 0;
    }
    this.#isFirst = false;
    this.#got = got % size;
    return Math.floor(got / size);
  }

  isAmid() {
    return this.#got > 0;
  }
}

/**
 * Walks over frames: counts those that are compressed, and in others the marks.
 * @implements {Counter}
 */
export class FrameCounter {
  #messages;
  #text;
  #isDeflated;
  #got = 0;
  /** @type {number[]} the header so far, while it has not come whole */
  #header = [];
  /** Of the payload under way. */
  #left = 0;
  /** @type {Buffer[] | undefined} the first payload, to be compared with the text */
  #first = [];

  /**
   * @param {number} messages in a lap
   * @param {string} text what comes first, whole
   * @param {boolean} isDeflated
   */
  constructor(messages, text, isDeflated) {
    this.#messages = messages;
    this.#text = text;
    this.#isDeflated = isDeflated;
  }

  /**
   * @param {number} bytes
   * @param {Buffer} buffer
   */
  take(bytes, buffer) {
    for (let at = 0; at < bytes; ) {
      if (this.#left === 0) this.#readHeader(buffer[at++] ?? 0);
      else {
        const end = Math.min(at + this.#left, bytes);
        this.#payload(buffer.subarray(at, end));
        at = end;
      }
    }
    if (this.#got < this.#messages || this.#left > 0 || this.#header.length > 0) return 0;
    const laps = Math.floor(this.#got / this.#messages);
    this.#got %= this.#messages;
    return laps;
  }

  isAmid() {
    return this.#got > 0 || this.#left > 0 || this.#header.length > 0;
  }

  /** @param {number} byte */
  #readHeader(byte) {
    const header = this.#header;
    header.push(byte);
    const [opcode, length = 0] = header;
    if (opcode !== (this.#isDeflated ? FIN_TEXT_DEFLATED : FIN_TEXT))
      throw new Error(`a member got a frame that begins with 0x${opcode?.toString(16)}`);
    const size = length === LENGTH_16 ? 4 : length === LENGTH_64 ? 10 : 2;
    if (header.length < size) return;
    this.#left = size === 2 ? length : header.slice(2).reduce((sum, digit) => sum * 256 + digit, 0);
    this.#header = [];
  }

  /** @param {Buffer} part */
  #payload(part) {
    this.#left -= part.length;
    if (!this.#isDeflated)
      for (let at = part.indexOf(MARK_BYTE); at >= 0; at = part.indexOf(MARK_BYTE, at + 1)) this.#got++;
    else if (this.#left === 0) this.#got++;
    if (this.#first === undefined) return;
    this.#first.push(Buffer.from(part));
    if (this.#left === 0) this.#compare(Buffer.concat(this.#first));
  }

  /** @param {Buffer} payload */
  #compare(payload) {
    this.#first = undefined;
    const text = this.#isDeflated ? inflate(payload) : payload.toString();
    // A server that gathers texts begins with the first of them, less what ends its list.
    if (!text.startsWith(this.#text.slice(0, this.#text.indexOf(MARK) + 1)))
      throw new Error("a member got something else than the messages");
  }
}

/** @param {Buffer} payload */
function inflate(payload) {
  return inflateRawSync(Buffer.concat([payload, FLUSH_TAIL]), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
}
