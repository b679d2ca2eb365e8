/**
 * The end of a socket without a connection: sends a close frame at once, ignores whatever the peer still sends, and cuts a peer that does
 * not answer. Used where a session goes on over a newer socket, or has ended before the peer came back. Ends with the socket.
 */
import type { CloseReason } from "../api/close-codes.js";
import type { ConnectionId } from "../api/connection.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Transport, TransportListener } from "./transport.js";

export interface FarewellParts {
  readonly clock: Clock;
  readonly closeTimeoutMs: number;
}

export class Farewell implements TransportListener {
  readonly id: ConnectionId;
  readonly #timer: Timer;

  /**
   * @param closing `undefined` to cut the socket without a close frame
   * @param id the connection that had the socket, `""` if none
   */
  constructor(
    transport: Transport,
    closing: CloseReason | undefined,
    { clock, closeTimeoutMs }: FarewellParts,
    id = "" as ConnectionId,
  ) {
    this.id = id;
    this.#timer = clock.after(closeTimeoutMs, () => transport.terminate());
    // A close frame would wait behind what the socket does not take.
    if (closing === undefined || transport.mustWait()) transport.terminate();
    else transport.close(closing.code, closing.reason);
    // A paused socket would not read the answer.
    transport.resume();
  }

  message(): void {}
  pinged(): void {}
  ponged(): void {}
  drained(): void {}
  flooded(): void {}
  failed(): void {}
  concluded(): void {}

  onTransportClosed(): void {
    this.#timer.cancel();
  }
}
