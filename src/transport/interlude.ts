/**
 * Control frames between the fragments of one message (RFC 6455 section 5.4). `ws` keeps each fragment as a view of the read that
 * brought it, up to 64 KiB, and control frames that fill the read are kept along with it. `websocket.ts` makes an `Interlude` for a
 * peer that has sent many control frames and no whole message, and closes the peer that sends too many more while a message is
 * unfinished.
 */
import type { Duplex } from "node:stream";

/** A masked control frame beside its payload: two bytes of header and the mask (RFC 6455 section 5.2). */
export const CONTROL_HEADER_BYTES = 6;

/** The longest part of a control frame whose end has not arrived: all but the last byte. */
const MAX_PART_BYTES = CONTROL_HEADER_BYTES + 124;

/** Control frames that a peer may send while one message is unfinished, in bytes; counted from when the message is noticed. */
const MAX_BYTES = 1_048_576;

export class Interlude {
  readonly #socket: Duplex;
  #hasBegun = false;
  /** Bytes that have been read since this began, and how many of these were control frames. */
  #readBytes = 0;
  #controlBytes = 0;
  /** `#controlBytes` when no message was under way, as far as that can be told. */
  #quietBytes = 0;
  /** There were too many: nothing that still comes counts. */
  isOver = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
    // Before `ws` gets the bytes: all earlier reads have been taken apart by then.
    socket.prependListener("data", this.#read);
  }

  /** Counts a control frame. @returns whether there are too many */
  add(bytes: number): boolean {
    this.#controlBytes += bytes;
    this.isOver = this.#hasBegun && this.#controlBytes - this.#quietBytes > MAX_BYTES;
    return this.isOver;
  }

  /** A message is complete, which frees its fragments. */
  end(): void {
    this.#socket.off("data", this.#read);
  }

  /**
   * What has been read and is no control frame is part of an unfinished message. Some 40 fragments of one byte may hide in the
   * tolerance; they keep 40 reads.
   */
  readonly #read = (chunk: Buffer): void => {
    if (!this.#hasBegun) this.#controlBytes = 0;
    this.#hasBegun = true;
    // More control frames than bytes: reads from before were still waiting to be taken apart (`ws` was inflating).
    this.#readBytes = Math.max(this.#readBytes, this.#controlBytes);
    if (this.#readBytes - this.#controlBytes <= MAX_PART_BYTES) this.#quietBytes = this.#controlBytes;
    this.#readBytes += chunk.length;
  };
}
