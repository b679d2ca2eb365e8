/**
 * The budget for control frames between the fragments of a message (RFC 6455 section 5.4). `ws` keeps each fragment as a view of the
 * read that contained the fragment, up to 64 KiB, and thereby also the control frames that fill the read. `websocket.ts` makes a budget
 * for a peer that has sent many control frames without a whole message, closes a peer that exceeds the budget while a message is
 * unfinished, and stops the budget at the next whole message.
 */
import type { Duplex } from "node:stream";

/** Bytes of a masked control frame besides the payload: two bytes of header and the mask (RFC 6455 section 5.2). */
export const CONTROL_HEADER_BYTES = 6;

/** The longest part of a control frame without its last byte. */
const MAX_PART_BYTES = CONTROL_HEADER_BYTES + 124;

/** The budget, in bytes: control frames that a peer may send while a message is unfinished, from the moment the message is noticed. */
const MAX_BYTES = 1_048_576;

export class ControlFrameBudget {
  readonly #socket: Duplex;
  #hasRead = false;
  /** Bytes that have been read since the first read, and how many of the bytes were control frames. */
  #readBytes = 0;
  #controlBytes = 0;
  /** The last known value of `#controlBytes` at which no message was unfinished. */
  #bytesBeforeMessage = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
    // Called before `ws` gets the bytes: by then every earlier read has been parsed.
    socket.prependListener("data", this.#read);
  }

  /** Counts a control frame. @returns whether the budget is exceeded */
  spend(bytes: number): boolean {
    this.#controlBytes += bytes;
    return this.#hasRead && this.#controlBytes - this.#bytesBeforeMessage > MAX_BYTES;
  }

  /** To be called when a message is complete: `ws` then frees its fragments. */
  stop(): void {
    this.#socket.off("data", this.#read);
  }

  /**
   * Bytes that were read and belong to no control frame are part of an unfinished message, except for the part of a control frame whose
   * end has not arrived. Some 40 fragments of a single byte may hide in that tolerance and keep 40 reads.
   */
  readonly #read = (chunk: Buffer): void => {
    if (!this.#hasRead) this.#controlBytes = 0;
    this.#hasRead = true;
    // More control frames than bytes: reads from before the budget were still waiting to be parsed (`ws` was inflating).
    this.#readBytes = Math.max(this.#readBytes, this.#controlBytes);
    if (this.#readBytes - this.#controlBytes <= MAX_PART_BYTES) this.#bytesBeforeMessage = this.#controlBytes;
    this.#readBytes += chunk.length;
  };
}
