/**
 * Writes several frames to a socket in as few writes as possible. `websocket.ts` makes two concatenators, which the sockets of a server
 * share: for plain frames, and for frames with permessage-deflate.
 */
import type { Duplex } from "node:stream";
import type { Frame } from "./frame.js";

/**
 * Frames that go to many sockets in the same turn are concatenated once: each of the sockets holds the same list. Longer lists are
 * written frame by frame, since a copy costs more than several parts.
 */
const CONCATENATE_BELOW_BYTES = 262_144;

/** Remembers the last list of frames and its bytes, since the next socket most often holds the same frames. */
export class FrameConcatenator {
  readonly wireOf: (frame: Frame) => Buffer;
  #frames: readonly Frame[] = [];
  #bytes: Buffer | undefined;

  /** @param wireOf the bytes of a frame on the sockets that share the concatenator */
  constructor(wireOf: (frame: Frame) => Buffer) {
    this.wireOf = wireOf;
  }

  writeAll(socket: Duplex, frames: readonly Frame[]): void {
    const bytes = this.#concatenate(frames);
    if (bytes !== undefined) {
      socket.write(bytes);
      return;
    }
    socket.cork();
    for (const frame of frames) socket.write(this.wireOf(frame));
    socket.uncork();
  }

  /** @returns `undefined` if the frames are too large to be copied */
  #concatenate(frames: readonly Frame[]): Buffer | undefined {
    const last = this.#frames;
    if (frames.length === last.length && frames.every((frame, i) => frame === last[i])) return this.#bytes;
    const parts = frames.map(this.wireOf);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (bytes >= CONCATENATE_BELOW_BYTES) return undefined;
    this.#frames = frames;
    this.#bytes = Buffer.concat(parts, bytes);
    return this.#bytes;
  }
}
