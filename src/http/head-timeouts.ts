/**
 * The time that heads of requests may take, on `serve`'s own port: `listen.ts` tells of each connection and request. Node's own
 * `headersTimeout` looks only every 30 s, and is longer.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { Alarm, type Clock } from "../runtime/clock.js";
import { currentResponse } from "./pipelining.js";

/** A connection whose next request is still to come: the alarm for it. */
class HeadTimeout extends Alarm {
  /** Under TLS, the one below it until its handshake is done. */
  socket: Socket;
  /** The one whose close ends the wait. */
  readonly accepted: Socket;
  /** Its peer's address, under TLS: a socket that has closed does not know it any more. */
  readonly peer: string;
  /** Told of the first bytes of a later request. */
  onData: (() => void) | undefined;
  readonly #onTimeout: (waiting: HeadTimeout) => void;

  constructor(accepted: Socket, peer: string, onLate: (waiting: HeadTimeout) => void) {
    super();
    this.socket = accepted;
    this.accepted = accepted;
    this.peer = peer;
    this.#onTimeout = onLate;
  }

  ring(): void {
    this.#onTimeout(this);
  }
}

export interface HeadTimeoutSettings {
  readonly handshakeTimeoutMs: number;
  readonly tls: object | undefined;
}

export interface HeadTimeoutHooks {
  readonly clock: Clock;
  /** @param isHttp whether it has come as far as HTTP */
  readonly onTimeout: (socket: Socket, isHttp: boolean) => void;
}

/**
 * Times the head of each request: the first of a connection from the moment it was accepted, a later one from its first byte. In
 * between a connection is idle, which Node's `keepAliveTimeout` ends.
 */
export class HeadTimeouts {
  readonly #timeoutMs: number;
  readonly #hooks: HeadTimeoutHooks;
  readonly #isSecure: boolean;
  /** By the socket that was accepted, or of a later request the one that it comes on. */
  readonly #waiting = new Map<Duplex, HeadTimeout>();
  /** Under TLS, by the socket that the handshake has made. */
  readonly #secureTimeouts = new WeakMap<Duplex, HeadTimeout | undefined>();
  /** Those in their TLS handshake, by their peer's address: Node does not say which socket the secure one stands on. */
  readonly #handshaking = new Map<string, HeadTimeout>();
  /** One for all sockets, which it gets as `this`. */
  readonly #onClose: (this: Socket) => void;

  constructor({ handshakeTimeoutMs, tls }: HeadTimeoutSettings, hooks: HeadTimeoutHooks) {
    this.#timeoutMs = handshakeTimeoutMs;
    this.#isSecure = tls !== undefined;
    this.#hooks = hooks;
    const heads = this;
    this.#onClose = function () {
      heads.#onSocketClosed(this);
    };
  }

  readonly onConnection = (socket: Socket): void => {
    const waiting = new HeadTimeout(socket, this.#isSecure ? peerOf(socket) : "", this.#onTimeout);
    this.#hooks.clock.after(this.#timeoutMs, waiting);
    this.#register(waiting);
    if (this.#isSecure) this.#handshaking.set(waiting.peer, waiting);
  };

  readonly onSecureConnection = (socket: TLSSocket): void => {
    const peer = peerOf(socket);
    const waiting = this.#handshaking.get(peer);
    if (waiting === undefined) return;
    this.#handshaking.delete(peer);
    waiting.socket = socket;
    this.#secureTimeouts.set(socket, waiting);
  };

  /** Its request has come, or will not: a socket that lives on is not watched here any more. */
  cancel(socket: Duplex): void {
    const waiting = (this.#isSecure ? this.#secureTimeouts : this.#waiting).get(socket);
    if (waiting === undefined) return;
    if (this.#isSecure) this.#secureTimeouts.set(socket, undefined);
    waiting.accepted.removeListener("close", this.#onClose);
    this.#unregister(waiting);
  }

  /** The request is answered: another one may come on its connection. */
  onAnswered(request: IncomingMessage): void {
    const { socket } = request;
    if (!socket.readable || !socket.writable || currentResponse(socket) !== undefined) return;
    // What is left of its body comes first.
    if (!request.complete) {
      request.once("close", () => this.onAnswered(request));
      return;
    }
    this.cancel(socket);
    const waiting = new HeadTimeout(socket, "", this.#onTimeout);
    // Node has parsed these bytes by now: they were no whole head if somebody is waited for still.
    const onData = (): void => {
      if (this.#waiting.get(socket) === waiting && waiting.index < 0) this.#hooks.clock.after(this.#timeoutMs, waiting);
      socket.off("data", onData);
    };
    waiting.onData = onData;
    socket.on("data", onData);
    this.#register(waiting);
    if (this.#isSecure) this.#secureTimeouts.set(socket, waiting);
  }

  /** Whether it has come as far as HTTP. */
  isHttp(socket: Duplex): boolean {
    return !this.#isSecure || this.#secureTimeouts.has(socket);
  }

  /** Ends the connections that are no HTTP yet. */
  terminateHandshakes(): void {
    for (const { socket } of [...this.#handshaking.values()]) socket.destroy();
  }

  #register(waiting: HeadTimeout): void {
    this.#waiting.set(waiting.accepted, waiting);
    waiting.accepted.on("close", this.#onClose);
  }

  #onSocketClosed(accepted: Socket): void {
    const waiting = this.#waiting.get(accepted);
    if (waiting === undefined) return;
    this.#unregister(waiting);
    if (this.#handshaking.get(waiting.peer) === waiting) this.#handshaking.delete(waiting.peer);
  }

  #unregister(waiting: HeadTimeout): void {
    waiting.cancel();
    if (waiting.onData !== undefined) waiting.socket.off("data", waiting.onData);
    this.#waiting.delete(waiting.accepted);
  }

  readonly #onTimeout = ({ socket }: HeadTimeout): void => this.#hooks.onTimeout(socket, this.isHttp(socket));
}

function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
