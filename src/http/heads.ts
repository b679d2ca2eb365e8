/**
 * The time that heads of requests may take, on `serve`'s own port: `listen.ts` tells of each connection and request. Node's own
 * `headersTimeout` looks only every 30 s, and is longer.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { Alarm, type Clock } from "../runtime/clock.js";
import { answerOn } from "./turns.js";

/** A connection whose next request is still to come: the alarm for it. */
class Waiting extends Alarm {
  /** Under TLS, the one below it until its handshake is done. */
  socket: Socket;
  /** The one whose close ends the wait. */
  readonly accepted: Socket;
  /** Its peer's address, under TLS: a socket that has closed does not know it any more. */
  readonly peer: string;
  /** Told of the first bytes of a later request. */
  onData: (() => void) | undefined;
  readonly #onLate: (waiting: Waiting) => void;

  constructor(accepted: Socket, peer: string, onLate: (waiting: Waiting) => void) {
    super();
    this.socket = accepted;
    this.accepted = accepted;
    this.peer = peer;
    this.#onLate = onLate;
  }

  ring(): void {
    this.#onLate(this);
  }
}

export interface HeadSettings {
  readonly handshakeTimeoutMs: number;
  readonly tls: object | undefined;
}

export interface HeadHooks {
  readonly clock: Clock;
  /** @param isHttp whether it has come as far as HTTP */
  readonly onLate: (socket: Socket, isHttp: boolean) => void;
}

/**
 * Times the head of each request: the first of a connection from the moment it was accepted, a later one from its first byte. In
 * between a connection is idle, which Node's `keepAliveTimeout` ends.
 */
export class Heads {
  readonly #timeoutMs: number;
  readonly #hooks: HeadHooks;
  readonly #isSecure: boolean;
  /** By the socket that was accepted, or of a later request the one that it comes on. */
  readonly #waiting = new Map<Duplex, Waiting>();
  /** Under TLS, by the socket that the handshake has made. */
  readonly #secured = new WeakMap<Duplex, Waiting | undefined>();
  /** Those in their TLS handshake, by their peer's address: Node does not say which socket the secure one stands on. */
  readonly #shaking = new Map<string, Waiting>();
  /** One for all sockets, which it gets as `this`. */
  readonly #onClose: (this: Socket) => void;

  constructor({ handshakeTimeoutMs, tls }: HeadSettings, hooks: HeadHooks) {
    this.#timeoutMs = handshakeTimeoutMs;
    this.#isSecure = tls !== undefined;
    this.#hooks = hooks;
    const heads = this;
    this.#onClose = function () {
      heads.#closed(this);
    };
  }

  readonly begin = (socket: Socket): void => {
    const waiting = new Waiting(socket, this.#isSecure ? peerOf(socket) : "", this.#late);
    this.#hooks.clock.after(this.#timeoutMs, waiting);
    this.#wait(waiting);
    if (this.#isSecure) this.#shaking.set(waiting.peer, waiting);
  };

  readonly secured = (socket: TLSSocket): void => {
    const peer = peerOf(socket);
    const waiting = this.#shaking.get(peer);
    if (waiting === undefined) return;
    this.#shaking.delete(peer);
    waiting.socket = socket;
    this.#secured.set(socket, waiting);
  };

  /** Its request has come, or will not: a socket that lives on is not watched here any more. */
  end(socket: Duplex): void {
    const waiting = (this.#isSecure ? this.#secured : this.#waiting).get(socket);
    if (waiting === undefined) return;
    if (this.#isSecure) this.#secured.set(socket, undefined);
    waiting.accepted.removeListener("close", this.#onClose);
    this.#forget(waiting);
  }

  /** The request is answered: another one may come on its connection. */
  answered(request: IncomingMessage): void {
    const { socket } = request;
    if (!socket.readable || !socket.writable || answerOn(socket) !== undefined) return;
    // What is left of its body comes first.
    if (!request.complete) {
      request.once("close", () => this.answered(request));
      return;
    }
    this.end(socket);
    const waiting = new Waiting(socket, "", this.#late);
    // Node has parsed these bytes by now: they were no whole head if somebody is waited for still.
    const onData = (): void => {
      if (this.#waiting.get(socket) === waiting && waiting.index < 0) this.#hooks.clock.after(this.#timeoutMs, waiting);
      socket.off("data", onData);
    };
    waiting.onData = onData;
    socket.on("data", onData);
    this.#wait(waiting);
    if (this.#isSecure) this.#secured.set(socket, waiting);
  }

  /** Whether it has come as far as HTTP. */
  knows(socket: Duplex): boolean {
    return !this.#isSecure || this.#secured.has(socket);
  }

  /** Ends the connections that are no HTTP yet. */
  cut(): void {
    for (const { socket } of [...this.#shaking.values()]) socket.destroy();
  }

  #wait(waiting: Waiting): void {
    this.#waiting.set(waiting.accepted, waiting);
    waiting.accepted.on("close", this.#onClose);
  }

  #closed(accepted: Socket): void {
    const waiting = this.#waiting.get(accepted);
    if (waiting === undefined) return;
    this.#forget(waiting);
    if (this.#shaking.get(waiting.peer) === waiting) this.#shaking.delete(waiting.peer);
  }

  #forget(waiting: Waiting): void {
    waiting.cancel();
    if (waiting.onData !== undefined) waiting.socket.off("data", waiting.onData);
    this.#waiting.delete(waiting.accepted);
  }

  readonly #late = ({ socket }: Waiting): void => this.#hooks.onLate(socket, this.knows(socket));
}

function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
