/** The HTTP server under `serve`: one port for pages and upgrades. Opens it, times the heads of requests, and closes it. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import type { Clock, Timer } from "../clock.js";
import type { Address, Logger } from "../contracts.js";
import { SendallError } from "../errors.js";
import type { Refusal } from "../reject.js";
import { ignoreError, refuseSocket } from "./refuse.js";
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
  readonly clock: Clock;
  readonly log: Logger;
}

/** An open port. */
export interface Listener {
  readonly address: Address;
  /** Resolves when the last socket that came in here is gone; the port is free at once. */
  close(): Promise<void>;
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
  const heads = new Heads(settings.handshakeTimeoutMs, hooks);
  server.on(settings.tls === undefined ? "connection" : "secureConnection", heads.begin);
  server.on("request", (request, response) => {
    heads.end(request.socket);
    hooks.request(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    heads.end(request.socket);
    hooks.upgrade(request, socket, head);
  });
  server.on("clientError", (error, socket) => {
    socket.on("error", ignoreError);
    const refusal = faultOf("code" in error ? error.code : undefined);
    log.info({ ...refusal, err: error }, "request refused");
    if (socket.writable) refuseSocket(socket, refusal);
    else socket.destroy();
  });
  // A peer that fails the TLS handshake has no socket of ours yet; Node has ended it.
  server.on("tlsClientError", (error) => log.info({ err: error }, "TLS handshake failed"));
  await bind(server, settings);
  // From here on an error is one of accepting a connection (too many open files): the listener goes on.
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port;
  return { address: { host: settings.host, port, isSecure: settings.tls !== undefined }, close: () => close(server) };
}

function build({ tls, handshakeTimeoutMs }: ListenSettings): Server {
  if (tls === undefined) return createServer();
  try {
    return createTlsServer({ handshakeTimeout: handshakeTimeoutMs, ...tls });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SendallError("BAD_OPTION", `tls: ${why}`, { option: "tls", cause });
  }
}

/**
 * Times the head of each connection's first request. Node's own `headersTimeout` looks only every 30 s, and is left in place
 * for later requests of a connection.
 */
class Heads {
  readonly #timeoutMs: number;
  readonly #hooks: ListenHooks;
  readonly #timers = new WeakMap<Socket, Timer>();

  constructor(timeoutMs: number, hooks: ListenHooks) {
    this.#timeoutMs = timeoutMs;
    this.#hooks = hooks;
  }

  readonly begin = (socket: Socket): void => {
    const { clock, log } = this.#hooks;
    const timer = clock.after(this.#timeoutMs, () => {
      log.info({ ...TOO_SLOW, remoteAddress: socket.remoteAddress }, "request refused");
      refuseSocket(socket, TOO_SLOW);
    });
    this.#timers.set(socket, timer);
    socket.once("close", () => timer.cancel());
  };

  end(socket: Socket): void {
    this.#timers.get(socket)?.cancel();
    this.#timers.delete(socket);
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

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Pages and idle keep-alive connections; upgraded sockets are no longer the HTTP server's and are closed by their route.
    server.closeAllConnections();
  });
}
