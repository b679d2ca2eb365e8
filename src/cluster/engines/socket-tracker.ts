/**
 * Tracks the sockets that an engine's client opens. The client of NATS (3.4) loses track of a socket on which the engine does not answer
 * in time, and the open socket keeps the process alive. Each link in `nats.ts` has a tracker, which terminates abandoned sockets after
 * each failed attempt, and stops when the link closes.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";

/** The tracker that the running code was called with. */
const trackers = new AsyncLocalStorage<SocketTracker | undefined>();

/** Node reports each new socket of the process before the socket connects. The first call of `track` adds the only listener, for good. */
let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  subscribe("net.client.socket", (message) => {
    const tracker = trackers.getStore();
    if (tracker === undefined || typeof message !== "object" || message === null || !("socket" in message)) return;
    if (message.socket instanceof Socket) tracker.add(message.socket);
  });
}

export class SocketTracker {
  readonly #open = new Set<Socket>();
  #handshake = new AbortController();
  #isStopped = false;

  /** Adds every socket that the call makes, now or later. */
  track<T>(call: () => T): T {
    listen();
    return trackers.run(this, call);
  }

  add(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    // Later, since the socket connects after this event, and connecting would undo `destroy`.
    if (this.#isStopped) queueMicrotask(() => socket.destroy());
  }

  /**
   * For the next socket that speaks TLS from the first byte, which Node does not report. The signal terminates the socket when the client
   * makes another, since a client has a single socket at a time, or with the tracked sockets.
   */
  handshakeSignal(): AbortSignal {
    this.#handshake.abort();
    this.#handshake = new AbortController();
    if (this.#isStopped) this.#handshake.abort();
    return this.#handshake.signal;
  }

  /** Cuts the open sockets: MUST be called after a failed attempt to connect. */
  terminate(): void {
    this.#handshake.abort();
    for (const socket of this.#open) socket.destroy();
  }

  /** Cuts the open sockets now, and from now on every socket that a call still under way makes. */
  stop(): void {
    this.#isStopped = true;
    this.terminate();
  }
}

/** Wraps a callback for the client, so that no tracker adds the sockets which a handler opens. */
export function untracked<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  return (...args) => trackers.run(undefined, callback, ...args);
}
