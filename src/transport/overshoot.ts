/**
 * Counts the bytes of messages that a compressed connection brings while paused: `ws` inflates the rest of its last read even then, and
 * a read of 64 KiB may inflate to a thousand times its length. `websocket.ts` makes an `Overshoot` for each connection with
 * compression; the overshoot lives as long as the socket.
 */
import type { Admission } from "./transport.js";

export class Overshoot {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor({ maxPausedBytes }: Admission) {
    this.#maxBytes = maxPausedBytes;
  }

  /** Starts the count anew, at the beginning of a pause. */
  restart(): void {
    this.#bytes = 0;
  }

  /** @returns whether the limit is exceeded */
  add(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes > this.#maxBytes;
  }
}
