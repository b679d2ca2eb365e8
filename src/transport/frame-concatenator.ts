/**
 * Writes several frames to a socket in as few writes as possible. `websocket.ts` makes two concatenators, which the sockets of a server
 * share: for plain frames, and for frames with permessage-deflate.
 */
import type { Duplex } from "node:stream";
import type { Frame, Wire } from "./frame.js";
import { areSame } from "./frame-list.js";

/**
 * Frames that go to many sockets in the same turn are concatenated once: each of the sockets holds the same list. Longer lists are
 * written frame by frame, since a copy costs more than several parts.
 */
const CONCATENATE_BELOW_BYTES = 262_144;

/** Longer strings are not written by Node at once, but copied first. */
const STRING_BELOW_BYTES = 16_384;

/** Remembers the last list of frames and its bytes, since the next socket most often holds the same frames. */
export class FrameConcatenator {
  readonly #wire: Wire;
  #frames: readonly Frame[] = [];
  /** The bytes of these frames; of short texts a string until a second socket has the same list. */
  #bytes: Buffer | string = "";

  /** @param wire how the sockets that share the concatenator get frames */
  constructor(wire: Wire) {
    this.#wire = wire;
  }

  writeAll(socket: Duplex, frames: readonly Frame[]): void {
    const [first, second] = frames;
    const bytes = first !== undefined && second === undefined ? this.#wire.of(first) : this.#concatenate(frames);
    if (typeof bytes === "string") socket.write(bytes, "latin1");
    else if (bytes !== undefined) socket.write(bytes);
    else this.#writeEach(socket, frames);
  }

  #writeEach(socket: Duplex, frames: readonly Frame[]): void {
    socket.cork();
    for (const frame of frames) socket.write(this.#wire.of(frame));
    socket.uncork();
  }

  /** @returns `undefined` if the frames are too large to be copied */
  #concatenate(frames: readonly Frame[]): Buffer | string | undefined {
    if (areSame(frames, this.#frames)) {
      if (typeof this.#bytes === "string") this.#bytes = Buffer.from(this.#bytes, "latin1");
      return this.#bytes;
    }
    const bytes = this.#join(frames) ?? this.#copy(frames);
    if (bytes === undefined) return undefined;
    this.#frames = frames;
    this.#bytes = bytes;
    return bytes;
  }

  /** @returns `undefined` if a frame is no short text, or the whole is too long */
  #join(frames: readonly Frame[]): string | undefined {
    let joined = "";
    for (const frame of frames) {
      const characters = this.#wire.characters(frame);
      if (characters === undefined) return undefined;
      joined += characters;
      if (joined.length >= STRING_BELOW_BYTES) return undefined;
    }
    return joined;
  }

  #copy(frames: readonly Frame[]): Buffer | undefined {
    let length = 0;
    for (const frame of frames) length += this.#wire.bytes(frame);
    if (length >= CONCATENATE_BELOW_BYTES) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (const frame of frames) {
      this.#wire.copy(frame, bytes, at);
      at += this.#wire.bytes(frame);
    }
    return bytes;
  }
}
