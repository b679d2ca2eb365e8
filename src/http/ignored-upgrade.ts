/**
 * Requests whose `Upgrade` does not name WebSocket (`h2c`, say, which curl and the client of Java offer): the header is ignored, and the
 * request is an ordinary one (RFC 9110 section 7.8). Node hands over the socket of every request with that header once somebody listens
 * for upgrades, so the servers, ours and a host, get such a request back.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** Tells what becomes of an upgrade, where Node asks: since 22.21 and 24.9. */
type ShouldUpgrade = (request: IncomingMessage) => boolean;

/** An HTTP server, as far as it takes a request back. */
export interface ReplayTarget {
  emit(event: string, socket: Duplex): boolean;
  /** As its user has set it. */
  readonly maxHeadersCount?: number | null;
  readonly maxRequestsPerSocket?: number | null;
}

/** Node's own limit on headers, where the server has none. */
const MAX_HEADERS = 1_000;

/** Whether WebSocket is among what the request offers (a list of any case, RFC 9110 section 7.8). */
export function namesWebSocket({ headers: { upgrade = "" } }: IncomingMessage): boolean {
  return upgrade === "websocket" || upgrade.split(",").some((name) => name.trim().toLowerCase() === "websocket");
}

/** Whether its head says that a body follows (RFC 9112 section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
}

/** Whether Node has left out headers of the request: what follows its head is not known then. */
function hasDroppedHeaders({ rawHeaders }: IncomingMessage, { maxHeadersCount }: ReplayTarget): boolean {
  return maxHeadersCount !== 0 && rawHeaders.length >= 2 * (maxHeadersCount ?? MAX_HEADERS);
}

/** The head as it was sent, less its `Upgrade`. */
function headBytes({ method, url, httpVersion, rawHeaders }: IncomingMessage, isLast: boolean): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.toLowerCase() !== "upgrade" && !(isLast && name.toLowerCase() === "connection"))
      lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  if (isLast) lines.push("Connection: close");
  // Node reads heads as Latin-1.
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/**
 * Gives a request that came as an upgrade back to its server, which reads it again as an ordinary one: as if its connection had just been
 * made. MUST be called when no answer is due on the socket.
 *
 * @param head what was read after the request's head
 * @returns `false` if that cannot be: the socket is for the caller to end
 */
export function replayRequest(server: ReplayTarget, request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  if (!socket.readable || !socket.writable || hasDroppedHeaders(request, server)) return false;
  // The server counts the requests of a connection from here on anew.
  const isLast = (server.maxRequestsPerSocket ?? 0) > 0;
  socket.unshift(Buffer.concat([headBytes(request, isLast), head]));
  server.emit(socket instanceof TLSSocket ? "secureConnection" : "connection", socket);
  return true;
}

/**
 * Where Node asks, it is told that a request with a body is no upgrade if `isOrdinary` says so: from version 25 on it reads such a body
 * itself, and the request cannot be given back. One without a body is given back all the same, since Node loses what has been sent
 * behind a request that it was told is none.
 *
 * @returns what undoes it
 */
export function declineUpgradesWithBody(server: object, isOrdinary: (request: IncomingMessage) => boolean): () => void {
  const previous: unknown = Reflect.get(server, "shouldUpgradeCallback");
  if (typeof previous !== "function") return () => {};
  let isUndone = false;
  const callback: ShouldUpgrade = (request) =>
    (isUndone || !hasBody(request) || !isOrdinary(request)) && Boolean(previous.call(server, request));
  Reflect.set(server, "shouldUpgradeCallback", callback);
  return () => {
    isUndone = true;
    // Unless somebody has put another one in front of it.
    if (Reflect.get(server, "shouldUpgradeCallback") === callback) Reflect.set(server, "shouldUpgradeCallback", previous);
  };
}
