/**
 * The frames of kept messages, with the stamp of the program: each message is encoded once for as long as the store answers with the same bytes. A
 * history has one object, which lasts as long as the history.
 */
import type { Data } from "../../api/connection.js";
import type { StoredMessage } from "../../api/history-store.js";
import type { HistorySettings } from "../../options/server-options.js";
import { catchLater } from "../../runtime/promises.js";
import { encodeFrame, type Frame } from "../../transport/frame.js";

export interface StampedFramesParts {
  readonly stamp: HistorySettings["stamp"];
  /** Encodes a message for the connections of the bus; throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** The program's code has failed. */
  readonly failed: (error: unknown, what: string) => void;
}

/** What was made of a message's bytes. */
interface Made {
  readonly by: StampedFrames;
  readonly frame: Frame;
  readonly position: string | undefined;
}

class Given {
  constructor(bytes: Uint8Array) {
    // biome-ignore lint/correctness/noConstructorReturn: so that `Marked` adds its field to the bytes
    return bytes;
  }
}

/** Bytes that carry what was made of them, out of sight. A `WeakMap` does the same for several times the work, most of it of the garbage collector. */
class Marked extends Given {
  #made: Made;

  private constructor(bytes: Uint8Array, made: Made) {
    super(bytes);
    this.#made = made;
  }

  static put(bytes: object, made: Made): void {
    if (#made in bytes) bytes.#made = made;
    else new Marked(bytes as Uint8Array, made);
  }

  static get(bytes: object): Made | undefined {
    return #made in bytes ? bytes.#made : undefined;
  }
}

export class StampedFrames {
  readonly #parts: StampedFramesParts;
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
    Marked.put(bytes, { by: this, frame, position });
    return frame;
  }

  /** The frame of a message out of the store. */
  of({ bytes, isBinary, position }: StoredMessage): Frame {
    const made = Marked.get(bytes);
    // A store may answer with the same bytes for several messages.
    if (made?.by === this && made.position === position) return made.frame;
    this.encoded++;
    return this.make(encodeFrame(isBinary ? bytes : textOf(bytes)), bytes, position);
  }

  #encode(plain: Frame, position: string | undefined): Frame {
    const { encode, failed, stamp } = this.#parts;
    if (stamp === undefined || position === undefined) return this.#encodeFor(plain);
    try {
      // A stamp that writes into the bytes writes into a copy: the store has the others.
      const stamped = stamp(typeof plain.data === "string" ? plain.data : Buffer.from(plain.data), position);
      // A promise is no message, and a failure by itself.
      catchLater(stamped);
      return encode(stamped);
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
