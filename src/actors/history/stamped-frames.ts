/**
 * The frames of kept messages, with the stamp of the program: each message is encoded once for as long as the store answers with the same bytes. A
 * history has one object, which lasts as long as the history.
 */
import type { Data } from "../../api/connection.js";
import type { StoredMessage } from "../../api/history-store.js";
import type { HistorySettings } from "../../options/server-options.js";
import { encodeFrame, type Frame } from "../../transport/frame.js";

export interface StampedFramesParts {
  readonly stamp: HistorySettings["stamp"];
  /** Encodes a message for the connections of the bus; throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** The program's code has failed. */
  readonly failed: (error: unknown, what: string) => void;
}

export class StampedFrames {
  readonly #parts: StampedFramesParts;
  readonly #frames = new WeakMap<Uint8Array, Frame>();
  /** How many frames were made for messages out of the store. */
  encoded = 0;

  constructor(parts: StampedFramesParts) {
    this.#parts = parts;
  }

  /**
   * The frame for the members.
   *
   * @param plain the message without a stamp @param bytes its bytes, as the store gets the bytes @param position absent: not kept, and not stamped
   */
  make(plain: Frame, bytes: Uint8Array, position: string | undefined): Frame {
    const frame = this.#encode(plain, position);
    this.#frames.set(bytes, frame);
    return frame;
  }

  /** The frame of a message out of the store. */
  of({ bytes, isBinary, position }: StoredMessage): Frame {
    const known = this.#frames.get(bytes);
    if (known !== undefined) return known;
    this.encoded++;
    return this.make(encodeFrame(isBinary ? bytes : textOf(bytes)), bytes, position);
  }

  #encode(plain: Frame, position: string | undefined): Frame {
    const { encode, failed, stamp } = this.#parts;
    if (stamp === undefined || position === undefined) return this.#encodeFor(plain);
    try {
      // A stamp that writes into the bytes writes into a copy: the store has the others.
      return encode(stamp(typeof plain.data === "string" ? plain.data : Buffer.from(plain.data), position));
    } catch (error) {
      failed(error, "history.stamp");
      return this.#encodeFor(plain);
    }
  }

  #encodeFor(plain: Frame): Frame {
    const { encode } = this.#parts;
    return encode === encodeFrame ? plain : encode(plain.data);
  }
}

export function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}
