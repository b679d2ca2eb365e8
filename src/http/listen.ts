/** The HTTP server under `serve`: one port for pages and upgrades. Opens it, has the heads of requests timed, and closes it. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { SendallError } from "../api/errors.js";
import type { Refusal } from "../api/rejection.js";
import { MAX_NATIVE_MS } from "../options/kinds.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { HeadTimeouts } from "./head-timeouts.js";
import { replayRequest, declineUpgradesWithBody, namesWebSocket } from "./ignored-upgrade.js";
import { ignoreError, refuseSocket, wasRefused } from "./refuse.js";
import type { RequestListener } from "./requests.js";
import { afterResponses, currentResponse, type Pipelines } from "./pipelining.js";
import type { UpgradeListener } from "./upgrade.js";

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

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
  readonly pipelines: Pipelines;
  /** Told of bytes that made no request. */
  readonly onRefused: (refusal: Refusal, socket: Duplex) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An open port. */
export interface HttpListener {
  readonly address: Address;
  /** Resolves when the last socket that came in here is gone; the port is free at once. */
  close(): Promise<void>;
  /** Cuts the connections whose answers are under way: those of SockJS have been told goodbye. */
  terminateConnections(): void;
}

const TOO_SLOW: Refusal = { status: 408, body: "the request's head took too long" };

/** What is wrong with bytes that are no HTTP request, by Node's error code. */
function faultOf(code: unknown): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") return { status: 431, body: "the request's head is too large" };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return TOO_SLOW;
  return { status: 400, body: "this is no HTTP request" };
}

/** Rejects with `LISTEN_FAILED`, or `BAD_OPTION` for TLS material that is none; nothing is left listening then. */
export async function listen(settings: ListenSettings, hooks: ListenHooks): Promise<HttpListener> {
  const { log } = hooks;
  const server = build(settings);
  // Their size is limited. Node would leave out those behind, and with them what a trusted proxy has added.
  server.maxHeadersCount = 0;
  const heads = new HeadTimeouts(settings, {
    clock: hooks.clock,
    onTimeout: (socket, isHttp) => {
      log.info({ ...TOO_SLOW, remoteAddress: socket.remoteAddress }, "request refused");
      hooks.onRefused(TOO_SLOW, socket);
      if (isHttp) refuseSocket(socket, TOO_SLOW, hooks.clock);
      else socket.destroy();
    },
  });
  const clientErrors = new ClientErrors(heads, hooks);
  /** Sockets of upgrades that wait for the answers before them: they are the HTTP server's no more, and nobody else's yet. */
  const behindResponses = new Set<Duplex>();
  server.on("connection", heads.onConnection);
  server.on("secureConnection", heads.onSecureConnection);
  server.on("request", (request, response) => {
    heads.cancel(request.socket);
    response.once("close", () => heads.onAnswered(request));
    hooks.request(request, response);
  });
  declineUpgradesWithBody(server, (request) => !namesWebSocket(request));
  server.on("upgrade", (request, socket, head) => {
    heads.cancel(request.socket);
    hooks.pipelines.releaseSocket(socket);
    behindResponses.add(socket);
    afterResponses(request.socket, () => {
      behindResponses.delete(socket);
      // The end of an answer before it has begun the wait for another head.
      heads.cancel(request.socket);
      // What cannot be given back is turned down as an upgrade.
      if (namesWebSocket(request) || !replayRequest(server, request, socket, head)) hooks.upgrade(request, socket, head);
    });
  });
  server.on("clientError", (error, socket) => clientErrors.onClientError(error, socket));
  await bind(server, settings);
  // From here on an error is one of accepting a connection (too many open files): the listener goes on.
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port;
  return {
    address: { host: settings.host, port, isSecure: settings.tls !== undefined },
    close: () => close(server, heads),
    terminateConnections() {
      server.closeAllConnections();
      for (const socket of behindResponses) socket.destroy();
    },
  };
}

/** Sockets that have failed, and bytes that are no request. */
class ClientErrors {
  readonly #headTimeouts: HeadTimeouts;
  readonly #hooks: ListenHooks;
  /** Each piece of what follows such bytes is another error. */
  readonly #refused = new WeakSet<Duplex>();

  constructor(heads: HeadTimeouts, hooks: ListenHooks) {
    this.#headTimeouts = heads;
    this.#hooks = hooks;
  }

  onClientError(error: Error, socket: Duplex): void {
    const { log, onRefused } = this.#hooks;
    // What a peer sends after it was refused is read by nobody.
    if (wasRefused(socket)) return;
    socket.on("error", ignoreError);
    if (!this.#headTimeouts.isHttp(socket)) {
      log.info({ err: error }, "TLS handshake failed");
      socket.destroy();
      return;
    }
    // A reset, say: there is nobody to answer, and what was under way hears of it by its own socket.
    if ("syscall" in error) {
      socket.destroy();
      return;
    }
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const refusal = faultOf("code" in error ? error.code : undefined);
    log.info({ ...refusal, err: error }, "request refused");
    this.#headTimeouts.cancel(socket);
    onRefused(refusal, socket);
    this.#refuse(socket, refusal);
  }

  /** In its turn: bytes behind good requests are answered after these. */
  #refuse(socket: Duplex, refusal: Refusal): void {
    const answer = socket.destroyed ? undefined : currentResponse(socket);
    if (answer?.req.complete === true) answer.once("close", () => this.#refuse(socket, refusal));
    else if (socket.writable && answer?.headersSent !== true) refuseSocket(socket, refusal, this.#hooks.clock);
    else socket.destroy();
  }
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

function close(server: Server, heads: HeadTimeouts): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Upgraded sockets are no longer the HTTP server's and are closed by their route, as are the sessions of SockJS.
    server.closeIdleConnections();
    heads.terminateHandshakes();
  });
}
