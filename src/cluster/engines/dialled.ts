/**
 * The sockets that an engine's client opens. The client of NATS (3.4) loses a socket on which the engine says nothing in time, and
 * such a socket keeps the process alive. `nats.ts` has one of these for each link, and ends what the client has left.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";

/** For which link the code that runs now was called. */
const links = new AsyncLocalStorage<DialledSockets | undefined>();

/** Node tells of each socket that a program makes, before it connects; there is one listener for the process, from the first link on. */
let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  subscribe("net.client.socket", (message) => {
    const link = links.getStore();
    if (link === undefined || typeof message !== "object" || message === null || !("socket" in message)) return;
    if (message.socket instanceof Socket) link.add(message.socket);
  });
}

export class DialledSockets {
  readonly #open = new Set<Socket>();
  #handshake = new AbortController();
  #isClosed = false;

  /** Whatever sockets this call makes, now and later, are added. */
  watch<T>(call: () => T): T {
    listen();
    return links.run(this, call);
  }

  add(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    // Not before it connects, which would undo this.
    if (this.#isClosed) queueMicrotask(() => socket.destroy());
  }

  /**
   * For the next socket that speaks TLS from its first byte, which Node does not tell of. The signal ends that socket when the next
   * one is made, since a client has one at a time, or with the others.
   */
  nextSignal(): AbortSignal {
    this.#handshake.abort();
    this.#handshake = new AbortController();
    if (this.#isClosed) this.#handshake.abort();
    return this.#handshake.signal;
  }

  /** An attempt has failed: the sockets that it has left end. */
  end(): void {
    this.#handshake.abort();
    for (const socket of this.#open) socket.destroy();
  }

  /** The same for good: a socket that a call under way makes from now on ends at once. */
  close(): void {
    this.#isClosed = true;
    this.end();
  }
}

/** Lets a client call back without {@link DialledSockets.watch}: sockets that a handler opens are its own. */
export function unwatched<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  return (...args) => links.run(undefined, callback, ...args);
}
