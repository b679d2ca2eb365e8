/** The HTTP server under `serve`: one port for pages and upgrades. Opens it, times the heads of requests, and closes it. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket, TlsOptions } from "node:tls";
import { MAX_NATIVE_MS } from "../checks.js";
import { Alarm, type Clock } from "../clock.js";
import type { Address, Logger } from "../contracts.js";
import { SendallError } from "../errors.js";
import type { Refusal } from "../reject.js";
import { ignoreError, refuseSocket, wasRefused } from "./refuse.js";
import type { RequestListener } from "./requests.js";
import type { UpgradeListener } from "./upgrade.js";

export interface ListenSettings {
  readonly host: string;
  readonly port: number;
  readonly backlog: number | undefined;
  readonly tls: TlsOptions | undefined;
  readonly handshakeTimeoutMs: number;
}

export interface ListenHooks {
  readonly upgrade: UpgradeListener;
  readonly request: RequestListener;
  /** Told of bytes that made no request. */
  readonly refused: (refusal: Refusal, socket: Duplex) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An open port. */
export interface Listener {
  readonly address: Address;
  /** Resolves when the last socket that came in here is gone; the port is free at once. */
  close(): Promise<void>;
  /** Cuts the connections whose answers are under way: those of SockJS have been told goodbye. */
  cut(): void;
}

const TOO_SLOW: Refusal = { status: 408, body: "the request's head took too long" };

/** What is wrong with bytes that are no HTTP request, by Node's error code. */
function faultOf(code: unknown): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") return { status: 431, body: "the request's head is too large" };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return TOO_SLOW;
  return { status: 400, body: "this is no HTTP request" };
}

/** Rejects with `LISTEN_FAILED`, or `BAD_OPTION` for TLS material that is none; nothing is left listening then. */
export async function listen(settings: ListenSettings, hooks: ListenHooks): Promise<Listener> {
  const { log } = hooks;
  const server = build(settings);
  // Their size is limited. Node would leave out those behind, and with them what a trusted proxy has added.
  server.maxHeadersCount = 0;
  const heads = new Heads(settings, hooks);
  server.on("connection", heads.begin);
  server.on("secureConnection", heads.secured);
  server.on("request", (request, response) => {
    heads.end(request.socket);
    hooks.request(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    heads.end(request.socket);
    hooks.upgrade(request, socket, head);
  });
  server.on("clientError", (error, socket) => {
    // What it sent after it was refused is not read by anybody.
    if (wasRefused(socket)) return;
    socket.on("error", ignoreError);
    if (!heads.knows(socket)) {
      log.info({ err: error }, "TLS handshake failed");
      socket.destroy();
      return;
    }
    const refusal = faultOf("code" in error ? error.code : undefined);
    log.info({ ...refusal, err: error }, "request refused");
    heads.end(socket);
    hooks.refused(refusal, socket);
    if (socket.writable) refuseSocket(socket, refusal, hooks.clock);
    else socket.destroy();
  });
  await bind(server, settings);
  // From here on an error is one of accepting a connection (too many open files): the listener goes on.
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port;
  return {
    address: { host: settings.host, port, isSecure: settings.tls !== undefined },
    close: () => close(server, heads),
    cut: () => server.closeAllConnections(),
  };
}

/** Each of these lets a server say who it is. */
const IDENTITIES = ["pfx", "SNICallback", "secureContext", "pskCallback"] as const;

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(Object(value).length === 0 && typeof value !== "function");
}

/** Whether any client could shake hands with it. */
function hasIdentity(tls: TlsOptions): boolean {
  if (IDENTITIES.some((name) => isGiven(tls[name]))) return true;
  return isGiven(tls.cert) && (isGiven(tls.key) || isGiven(tls.privateKeyIdentifier));
}

function build({ tls, handshakeTimeoutMs }: ListenSettings): Server {
  if (tls === undefined) return createServer();
  if (!hasIdentity(tls))
    throw new SendallError("BAD_OPTION", "tls: expected a certificate: { key, cert } or { pfx }", { option: "tls" });
  // Their names are in the order of their age.
  if (tls.minVersion !== undefined && tls.maxVersion !== undefined && tls.minVersion > tls.maxVersion)
    throw new SendallError("BAD_OPTION", "tls: expected a minVersion that is not above maxVersion", { option: "tls" });
  try {
    // Node's timer counts in 32 bits; ours ends a longer wait.
    return createTlsServer({ handshakeTimeout: Math.min(handshakeTimeoutMs, MAX_NATIVE_MS), ...tls });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SendallError("BAD_OPTION", `tls: ${why}`, { option: "tls", cause });
  }
}

/** A connection whose first request is still to come: the alarm for it. */
class Waiting extends Alarm {
  /** Under TLS, the one below it until its handshake is done. */
  socket: Socket;
  readonly accepted: Socket;
  /** Its peer's address, under TLS: a socket that has closed does not know it any more. */
  readonly peer: string;
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

/**
 * Times the head of each connection's first request, from the moment it was accepted. Node's own `headersTimeout` looks only
 * every 30 s, and is left in place for later requests of a connection.
 */
class Heads {
  readonly #timeoutMs: number;
  readonly #hooks: ListenHooks;
  readonly #isSecure: boolean;
  /** By the socket that was accepted. */
  readonly #waiting = new Map<Duplex, Waiting>();
  /** Under TLS, by the socket that the handshake has made. */
  readonly #secured = new WeakMap<Duplex, Waiting | undefined>();
  /** Those in their TLS handshake, by their peer's address: Node does not say which socket the secure one stands on. */
  readonly #shaking = new Map<string, Waiting>();
  /** One for all sockets, which it gets as `this`. */
  readonly #onClose: (this: Socket) => void;

  constructor({ handshakeTimeoutMs, tls }: ListenSettings, hooks: ListenHooks) {
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
    this.#waiting.set(socket, waiting);
    if (this.#isSecure) this.#shaking.set(waiting.peer, waiting);
    socket.on("close", this.#onClose);
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

  /** Whether it has come as far as HTTP. */
  knows(socket: Duplex): boolean {
    return !this.#isSecure || this.#secured.has(socket);
  }

  /** Ends the connections that are no HTTP yet. */
  cut(): void {
    for (const { socket } of [...this.#shaking.values()]) socket.destroy();
  }

  #closed(accepted: Socket): void {
    const waiting = this.#waiting.get(accepted);
    if (waiting === undefined) return;
    this.#forget(waiting);
    if (this.#shaking.get(waiting.peer) === waiting) this.#shaking.delete(waiting.peer);
  }

  #forget(waiting: Waiting): void {
    waiting.cancel();
    this.#waiting.delete(waiting.accepted);
  }

  readonly #late = ({ socket }: Waiting): void => {
    this.#hooks.log.info({ ...TOO_SLOW, remoteAddress: socket.remoteAddress }, "request refused");
    this.#hooks.refused(TOO_SLOW, socket);
    if (this.knows(socket)) refuseSocket(socket, TOO_SLOW, this.#hooks.clock);
    else socket.destroy();
  };
}

function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

function bind(server: Server, { host, port, backlog }: ListenSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
      reject(new SendallError("LISTEN_FAILED", `cannot listen on ${address}: ${cause.message}`, { cause }));
    };
    server.once("error", onError);
    server.listen({ host, port, ...(backlog !== undefined && { backlog }) }, () => {
      server.removeListener("error", onError);
      resolve();
    });
  });
}

function close(server: Server, heads: Heads): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Upgraded sockets are no longer the HTTP server's and are closed by their route, as are the sessions of SockJS.
    server.closeIdleConnections();
    heads.cut();
  });
}
