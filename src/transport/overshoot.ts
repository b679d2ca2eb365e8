/**
 * What a compressed connection brings while it is paused: `ws` cannot be kept from inflating the rest of what it has read, and one
 * read of 64 KiB may inflate to a thousand times its length. Made by `websocket.ts` for each connection that has agreed on compression.
 */
import type { Admission } from "./transport.js";

export class Overshoot {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor({ maxPausedBytes }: Admission) {
    this.#maxBytes = maxPausedBytes;
  }

  restart(): void {
    this.#bytes = 0;
  }

  /** @returns whether it is too much */
  add(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes > this.#maxBytes;
  }
}
