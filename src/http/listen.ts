/**
 * The HTTP server of `serve`, with pages and upgrades on the same port. `listen` builds the server, opens the port and connects the events
 * of the server with head timeouts, pipelines, requests and upgrades. Ends with `HttpListener.close`.
 */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { SendallError } from "../api/errors.js";
import type { Refusal } from "../api/rejection.js";
import { MAX_NATIVE_MS } from "../options/kinds.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { FirstBytes } from "./first-bytes.js";
import { HeadTimeouts } from "./head-timeouts.js";
import { declineUpgradesWithBody, namesWebSocket, replayRequest } from "./ignored-upgrade.js";
import { afterResponses, currentResponse, type Pipelines } from "./pipelining.js";
import { ignoreError, refuseSocket, wasRefused } from "./refuse.js";
import type { RequestListener } from "./requests.js";
import { checkTls } from "./tls-options.js";
import type { UpgradeListener, Upgrades } from "./upgrade.js";

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
  readonly upgrades: Upgrades;
  readonly request: RequestListener;
  readonly pipelines: Pipelines;
  /** Called after bytes that are no request were refused. */
  readonly onRefused: (refusal: Refusal, socket: Duplex) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An open port. */
export interface HttpListener {
  readonly address: Address;
  /** Frees the port at once; resolves when the last accepted socket has closed. */
  close(): Promise<void>;
  /** Terminates the connections with pending responses. SockJS sessions have sent their close frames by then. */
  terminateConnections(): void;
}

const TOO_SLOW: Refusal = { status: 408, body: "the request's head took too long" };

/** The refusal for bytes that are no HTTP request, by Node's error code. */
function refusalFor(code: unknown): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") return { status: 431, body: "the request's head is too large" };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return TOO_SLOW;
  return { status: 400, body: "this is not an HTTP request" };
}

/** Rejects with `LISTEN_FAILED`, or with `BAD_OPTION` for invalid TLS material; nothing listens then. */
export async function listen(settings: ListenSettings, hooks: ListenHooks): Promise<HttpListener> {
  const { log } = hooks;
  const server = build(settings);
  // 0 is no limit: Node drops headers beyond the limit, perhaps a trusted proxy's. The size of a head is limited anyway.
  server.maxHeadersCount = 0;
  const headTimeouts = new HeadTimeouts(settings, {
    clock: hooks.clock,
    onTimeout: (socket, isHttp) => {
      log.info({ ...TOO_SLOW, remoteAddress: socket.remoteAddress }, "request refused");
      hooks.onRefused(TOO_SLOW, socket);
      if (isHttp) refuseSocket(socket, TOO_SLOW, hooks.clock);
      else socket.destroy();
    },
  });
  const { onUpgrade, onHandshake, read } = hooks.upgrades;
  const firstBytes = FirstBytes.readAhead(server, settings.tls === undefined ? "connection" : "secureConnection", {
    read,
    onHandshake: (request) => {
      headTimeouts.cancel(request.socket);
      onHandshake(request);
    },
  });
  const clientErrors = new ClientErrors(headTimeouts, hooks);
  /** Sockets of upgrades that wait for pending responses: the HTTP server no longer knows the socket, and no connection has it yet. */
  const behindResponses = new Set<Duplex>();
  const upgrade: UpgradeListener = (request, socket, head) => {
    // Without a replay, the request is refused as an upgrade.
    if (namesWebSocket(request) || !replayRequest(server, request, socket, head)) onUpgrade(request, socket, head);
  };
  server.on("connection", headTimeouts.onConnection);
  server.on("secureConnection", headTimeouts.onSecureConnection);
  server.on("request", (request, response) => {
    headTimeouts.cancel(request.socket);
    response.once("close", () => headTimeouts.onAnswered(request));
    hooks.request(request, response);
  });
  declineUpgradesWithBody(server, (request) => !namesWebSocket(request));
  server.on("upgrade", (request, socket, head) => {
    headTimeouts.cancel(socket);
    hooks.pipelines.releaseSocket(socket);
    if (currentResponse(socket) === undefined) {
      upgrade(request, socket, head);
      return;
    }
    behindResponses.add(socket);
    afterResponses(socket, () => {
      behindResponses.delete(socket);
      // The end of a pending response has registered a timeout for a next head.
      headTimeouts.cancel(socket);
      upgrade(request, socket, head);
    });
  });
  server.on("clientError", (error, socket) => clientErrors.onClientError(error, socket));
  await bind(server, settings);
  // An error after this point concerns a single connection (too many open files, for example): the server listens on.
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port;
  return {
    address: { host: settings.host, port, isSecure: settings.tls !== undefined },
    close: () => close(server, headTimeouts),
    terminateConnections() {
      server.closeAllConnections();
      for (const socket of headTimeouts.sockets()) if (firstBytes?.isWaiting(socket)) socket.destroy();
      for (const socket of behindResponses) socket.destroy();
    },
  };
}

/** Handles `clientError` events: failed sockets, failed TLS handshakes, and bytes that are no request. */
class ClientErrors {
  readonly #headTimeouts: HeadTimeouts;
  readonly #hooks: ListenHooks;
  /** Sockets with a refusal under way: every further chunk of bytes is another error. */
  readonly #refused = new WeakSet<Duplex>();

  constructor(headTimeouts: HeadTimeouts, hooks: ListenHooks) {
    this.#headTimeouts = headTimeouts;
    this.#hooks = hooks;
  }

  onClientError(error: Error, socket: Duplex): void {
    const { log, onRefused } = this.#hooks;
    // Bytes after a refusal are ignored.
    if (wasRefused(socket)) return;
    socket.on("error", ignoreError);
    if (!this.#headTimeouts.isHttp(socket)) {
      log.info({ err: error }, "TLS handshake failed");
      socket.destroy();
      return;
    }
    // An error of the system, such as a reset: no peer is left to answer, and pending responses notice the close of the socket.
    if ("syscall" in error) {
      socket.destroy();
      return;
    }
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const refusal = refusalFor("code" in error ? error.code : undefined);
    log.info({ ...refusal, err: error }, "request refused");
    this.#headTimeouts.cancel(socket);
    onRefused(refusal, socket);
    this.#refuse(socket, refusal);
  }

  /** Answers in order: after the responses to the good requests before. */
  #refuse(socket: Duplex, refusal: Refusal): void {
    const response = socket.destroyed ? undefined : currentResponse(socket);
    if (response?.req.complete === true) response.once("close", () => this.#refuse(socket, refusal));
    else if (socket.writable && response?.headersSent !== true) refuseSocket(socket, refusal, this.#hooks.clock);
    else socket.destroy();
  }
}

function build({ tls, handshakeTimeoutMs }: ListenSettings): Server {
  if (tls === undefined) return createServer();
  checkTls(tls);
  try {
    // Node's timer counts in 32 bits; `HeadTimeouts` ends a longer wait.
    return createTlsServer({ handshakeTimeout: Math.min(handshakeTimeoutMs, MAX_NATIVE_MS), ...tls });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SendallError("BAD_OPTION", `tls: ${why}`, { option: "tls", cause });
  }
}

/** Rejects with `LISTEN_FAILED`. */
export function bind(
  server: Server,
  { host, port, backlog }: Pick<ListenSettings, "host" | "port" | "backlog">,
): Promise<void> {
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

function close(server: Server, headTimeouts: HeadTimeouts): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Routes close upgraded sockets, which the HTTP server no longer knows, and the sessions of SockJS.
    server.closeIdleConnections();
    headTimeouts.terminateHandshakes();
  });
}
