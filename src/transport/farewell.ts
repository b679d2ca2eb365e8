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

/** For each server, by clock: the farewells whose sockets are still open. */
const open = new WeakMap<Clock, Set<Farewell>>();

/** Terminates the sockets of a server that were said goodbye to and are still open; the connections of the server have ended. */
export function terminateFarewells(clock: Clock): void {
  for (const farewell of [...(open.get(clock) ?? [])]) farewell.terminate();
}

export class Farewell implements TransportListener {
  readonly id: ConnectionId;
  readonly #transport: Transport;
  readonly #clock: Clock;
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
    this.#transport = transport;
    this.#clock = clock;
    this.#timer = clock.after(closeTimeoutMs, () => this.terminate());
    open.set(clock, (open.get(clock) ?? new Set()).add(this));
    // A close frame would wait behind what the socket does not take.
    if (closing === undefined || transport.mustWait()) transport.terminate();
    else transport.close(closing.code, closing.reason);
    // A paused socket would not read the answer.
    transport.resume();
  }

  terminate(): void {
    this.onTransportClosed();
    this.#transport.terminate();
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
    open.get(this.#clock)?.delete(this);
  }
}
