/** The HTTP server under `serve`: one port for pages and upgrades. Opens it, answers what nobody else does, and closes it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Address, Logger, Refusal } from "../contracts.js";
import { SendallError } from "../errors.js";
import { readPath } from "../head.js";
import { ignoreError, refuseSocket } from "./refuse.js";
import type { StaticHandler } from "./static.js";

export interface ListenSettings {
  readonly host: string;
  readonly port: number;
  readonly backlog: number | undefined;
}

export interface ListenHooks {
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Answers plain HTTP, or passes it on. */
  readonly static: StaticHandler | undefined;
  /** Whether this path is a route's: then what is missing is an upgrade, not a file. */
  readonly hasRoute: (path: string) => boolean;
  readonly log: Logger;
}

/** An open port. */
export interface Listener {
  readonly address: Address;
  /** Resolves when the last socket that came in here is gone; the port is free at once. */
  close(): Promise<void>;
}

/** Plain HTTP that nothing else answers. */
function answerRest(request: IncomingMessage, response: ServerResponse, hooks: ListenHooks): void {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const path = readPath(request.url ?? "/");
  const text = { Connection: "close", "Content-Type": "text/plain; charset=utf-8" };
  if (!isRead) response.writeHead(405, { ...text, Allow: "GET, HEAD" }).end(`${request.method} is not answered here\n`);
  else if (hooks.static !== undefined && !hooks.hasRoute(path))
    response.writeHead(404, text).end(`there is no ${path}\n`);
  else response.writeHead(426, { ...text, Upgrade: "websocket" }).end("this is a WebSocket server: upgrade\n");
}

/** What is wrong with bytes that are no HTTP request, by Node's error code. */
function faultOf(code: unknown): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") return { status: 431, body: "the request's head is too large" };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return { status: 408, body: "the request's head took too long" };
  return { status: 400, body: "this is no HTTP request" };
}

/** Rejects with `LISTEN_FAILED`; nothing is left listening then. */
export async function listen(settings: ListenSettings, hooks: ListenHooks): Promise<Listener> {
  const { log } = hooks;
  const server = createServer((request, response) => {
    const rest = (): void => answerRest(request, response, hooks);
    if (hooks.static === undefined) rest();
    else hooks.static(request, response, rest);
  });
  server.on("upgrade", hooks.upgrade);
  server.on("clientError", (error, socket) => {
    socket.on("error", ignoreError);
    const refusal = faultOf("code" in error ? error.code : undefined);
    log.info({ ...refusal, err: error }, "request refused");
    if (socket.writable) refuseSocket(socket, refusal);
    else socket.destroy();
  });
  await bind(server, settings);
  // From here on an error is one of accepting a connection (too many open files): the listener goes on.
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port;
  return { address: { host: settings.host, port }, close: () => close(server) };
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
