/**
 * Timeouts for the heads of requests, on the port of `serve`. `listen.ts` reports each connection and request. Node's own `headersTimeout`
 * is longer, and checked only every 30 s. A timeout ends when the head is complete, or with the socket.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { Alarm, type Clock } from "../runtime/clock.js";
import { currentResponse } from "./pipelining.js";

/** The wait for the next request head of a connection. Holds no socket once it has ended: see `SlotMap` for what a table that is replaced keeps. */
class HeadTimeout {
  /** Under TLS, the raw socket until the TLS handshake is done. */
  socket: Socket | undefined;
  /** The socket whose close ends the timeout. */
  accepted: Socket | undefined;
  /** The peer's address, under TLS only: a closed socket no longer knows the address. */
  readonly peer: string;
  /** Listens for the first bytes of a later request. */
  onData: (() => void) | undefined = undefined;
  /** When the time is up. */
  due = 0;
  /** Whether the time runs. */
  isRunning = false;
  /** The timeouts that began just before and just after, while the time runs. */
  previous: HeadTimeout | undefined = undefined;
  next: HeadTimeout | undefined = undefined;

  constructor(accepted: Socket, peer: string) {
    this.socket = accepted;
    this.accepted = accepted;
    this.peer = peer;
  }
}

const TIMEOUT: unique symbol = Symbol("head timeout");
/** The accepted socket; for a later request under TLS, the secure socket. */
type TimedSocket = Socket & { [TIMEOUT]?: HeadTimeout | undefined };

/**
 * The timeouts of a server that run, in order of beginning: each waits for the same time, so a single alarm, for the oldest, is enough. A
 * connection that is accepted and sends a head at once sets no alarm while others wait.
 */
class RunningTimeouts extends Alarm {
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #onTimeout: (timeout: HeadTimeout) => void;
  #oldest: HeadTimeout | undefined;
  #newest: HeadTimeout | undefined;

  constructor(ms: number, clock: Clock, onTimeout: (timeout: HeadTimeout) => void) {
    super();
    this.#ms = ms;
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  begin(timeout: HeadTimeout): void {
    timeout.isRunning = true;
    timeout.due = this.#clock.now() + this.#ms;
    timeout.previous = this.#newest;
    if (this.#newest === undefined) this.#oldest = timeout;
    else this.#newest.next = timeout;
    this.#newest = timeout;
    if (this.#oldest === timeout) this.#clock.after(this.#ms, this);
  }

  /** Does nothing for a timeout that does not run. */
  end(timeout: HeadTimeout): void {
    if (!timeout.isRunning) return;
    const { previous, next } = timeout;
    timeout.isRunning = false;
    timeout.previous = undefined;
    timeout.next = undefined;
    if (previous === undefined) this.#oldest = next;
    else previous.next = next;
    if (next === undefined) this.#newest = previous;
    else next.previous = previous;
    // An alarm for a timeout that has ended rings in vain, which is cheaper than a new alarm each time.
    if (this.#oldest === undefined) this.cancel();
  }

  *all(): Generator<HeadTimeout> {
    for (let one = this.#oldest; one !== undefined; one = one.next) yield one;
  }

  ring(): void {
    // Not those that are due by now: the data that has arrived by then may not have been read.
    const { due } = this;
    for (let oldest = this.#oldest; oldest !== undefined && oldest.due <= due; oldest = this.#oldest) {
      this.end(oldest);
      this.#onTimeout(oldest);
    }
    if (this.#oldest !== undefined && this.index < 0)
      this.#clock.after(Math.max(this.#oldest.due - this.#clock.now(), 0), this);
  }
}

export interface HeadTimeoutSettings {
  readonly handshakeTimeoutMs: number;
  readonly tls: object | undefined;
}

export interface HeadTimeoutHooks {
  readonly clock: Clock;
  /** @param isHttp `false` before the end of a TLS handshake */
  readonly onTimeout: (socket: Socket, isHttp: boolean) => void;
}

/**
 * Times the head of each request: the first head of a connection from the moment of accepting, a later head from its first byte. Between
 * requests a connection is idle, which Node's `keepAliveTimeout` limits.
 */
export class HeadTimeouts {
  readonly #isSecure: boolean;
  readonly #running: RunningTimeouts;
  /** The timeouts whose time does not run: nothing of a later request has arrived, or the time is up. */
  readonly #still = new Set<HeadTimeout>();
  /** Under TLS, by secure socket. */
  readonly #secureTimeouts = new WeakMap<Duplex, HeadTimeout | undefined>();
  /** Connections in their TLS handshake, by peer address: Node does not tell which raw socket belongs to a secure socket. */
  readonly #handshaking = new Map<string, HeadTimeout>();
  /** A single function for every socket, which is passed as `this`. */
  readonly #onClose: (this: Socket) => void;

  constructor({ handshakeTimeoutMs, tls }: HeadTimeoutSettings, hooks: HeadTimeoutHooks) {
    this.#isSecure = tls !== undefined;
    this.#running = new RunningTimeouts(handshakeTimeoutMs, hooks.clock, (timeout) => {
      this.#still.add(timeout);
      if (timeout.socket !== undefined) hooks.onTimeout(timeout.socket, this.isHttp(timeout.socket));
    });
    const timeouts = this;
    this.#onClose = function () {
      timeouts.#onSocketClosed(this);
    };
  }

  readonly onConnection = (socket: Socket): void => {
    const timeout = new HeadTimeout(socket, this.#isSecure ? peerOf(socket) : "");
    this.#running.begin(timeout);
    this.#register(timeout, socket);
    if (this.#isSecure) this.#handshaking.set(timeout.peer, timeout);
  };

  readonly onSecureConnection = (socket: TLSSocket): void => {
    const peer = peerOf(socket);
    const timeout = this.#handshaking.get(peer);
    if (timeout === undefined) return;
    this.#handshaking.delete(peer);
    timeout.socket = socket;
    this.#secureTimeouts.set(socket, timeout);
  };

  /** Cancels the timeout of a socket: the head is complete, or no head will come. */
  cancel(socket: Duplex): void {
    const timeout = this.#isSecure ? this.#secureTimeouts.get(socket) : (socket as TimedSocket)[TIMEOUT];
    if (timeout === undefined) return;
    if (this.#isSecure) this.#secureTimeouts.set(socket, undefined);
    timeout.accepted?.removeListener("close", this.#onClose);
    this.#unregister(timeout);
  }

  /** Prepares a timeout for the next request on the connection of an answered request. */
  onAnswered(request: IncomingMessage): void {
    const { socket } = request;
    if (!socket.readable || !socket.writable || currentResponse(socket) !== undefined) return;
    // The rest of the body comes before the next head.
    if (!request.complete) {
      request.once("close", () => this.onAnswered(request));
      return;
    }
    this.cancel(socket);
    const timeout = new HeadTimeout(socket, "");
    // Node's parser has seen the bytes before this listener: if the timeout is still registered, the head is incomplete.
    const onData = (): void => {
      if (this.#still.delete(timeout)) this.#running.begin(timeout);
      socket.off("data", onData);
    };
    timeout.onData = onData;
    socket.on("data", onData);
    this.#still.add(timeout);
    this.#register(timeout, socket);
    if (this.#isSecure) this.#secureTimeouts.set(socket, timeout);
  }

  /** `false` before the end of a TLS handshake. */
  isHttp(socket: Duplex): boolean {
    return !this.#isSecure || this.#secureTimeouts.has(socket);
  }

  /** The sockets with a timeout: heads of requests are to come. */
  sockets(): Socket[] {
    return [...this.#running.all(), ...this.#still].flatMap(({ socket }) => socket ?? []);
  }

  /** Terminates the connections whose TLS handshake is not done. */
  terminateHandshakes(): void {
    for (const { socket } of [...this.#handshaking.values()]) socket?.destroy();
  }

  #register(timeout: HeadTimeout, accepted: TimedSocket): void {
    accepted[TIMEOUT] = timeout;
    accepted.on("close", this.#onClose);
  }

  #onSocketClosed(accepted: TimedSocket): void {
    const timeout = accepted[TIMEOUT];
    if (timeout === undefined) return;
    this.#unregister(timeout);
    if (this.#handshaking.get(timeout.peer) === timeout) this.#handshaking.delete(timeout.peer);
  }

  #unregister(timeout: HeadTimeout): void {
    const { accepted, onData, socket } = timeout;
    this.#running.end(timeout);
    this.#still.delete(timeout);
    if (onData !== undefined) socket?.off("data", onData);
    if (accepted !== undefined) (accepted as TimedSocket)[TIMEOUT] = undefined;
    timeout.onData = timeout.socket = timeout.accepted = undefined;
  }
}

function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
