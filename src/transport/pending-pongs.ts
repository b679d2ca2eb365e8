/**
 * The pongs of a socket that wait to be written. `websocket.ts` makes the count at a peer's first ping, and cuts a peer that goes on
 * pinging and reads no pong; the count lives as long as the socket.
 */

/** At most 16,384 pongs may wait, which is at most 2 MiB. A read of 64 KiB holds up to 10,922 pings, and each is answered. */
const MAX_PENDING_PONGS = 16_384;

export class PendingPongs {
  #count = 0;

  /** To be called when a pong has been written. */
  readonly onWritten = (): void => {
    this.#count--;
  };

  /** Counts a pong before the pong is written. @returns `false` if too many pongs wait */
  add(): boolean {
    if (this.#count >= MAX_PENDING_PONGS) return false;
    this.#count++;
    return true;
  }
}
