/**
 * Ignored upgrades: requests whose `Upgrade` header does not name WebSocket (`h2c`, for example, which curl and Java's HTTP client offer).
 * A server answers such a request as if the header were missing (RFC 9110 section 7.8). But once an HTTP server has an `upgrade` listener,
 * Node hands the socket of every request with the header to the listener. `listen.ts` and `attach.ts` therefore replay the request into
 * the HTTP server.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { isEncrypted } from "../transport/encryption.js";

/** Node's `shouldUpgradeCallback`, since 22.21 and 24.9: decides whether a request becomes an upgrade. */
type ShouldUpgrade = (request: IncomingMessage) => boolean;

/** An HTTP server, as far as a replay needs it. */
export interface ReplayTarget {
  emit(event: string, socket: Duplex): boolean;
  /** The limit on headers, if the user has set a limit. */
  readonly maxHeadersCount?: number | null;
  readonly maxRequestsPerSocket?: number | null;
}

/** Node's limit on headers where the server sets none. */
const MAX_HEADERS = 1_000;

const UPGRADE = "upgrade";

/** Whether an `Upgrade` header names WebSocket (a list in any case, RFC 9110 section 7.8). */
export function namesWebSocket({ rawHeaders }: { readonly rawHeaders: readonly string[] }): boolean {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.length === UPGRADE.length && name.toLowerCase() === UPGRADE && listsWebSocket(rawHeaders[i + 1] ?? ""))
      return true;
  }
  return false;
}

function listsWebSocket(upgrade: string): boolean {
  return upgrade === "websocket" || upgrade.split(",").some((name) => name.trim().toLowerCase() === "websocket");
}

/** Whether the head announces a body (RFC 9112 section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return announcesBody(headers);
}

/** @param headers the headers of a head by lower-case name */
export function announcesBody(headers: Readonly<Record<string, unknown>>): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
}

/** Whether Node has dropped headers of the request; whether a body follows is then unknown. */
function hasDroppedHeaders({ rawHeaders }: IncomingMessage, { maxHeadersCount }: ReplayTarget): boolean {
  return maxHeadersCount !== 0 && rawHeaders.length >= 2 * (maxHeadersCount ?? MAX_HEADERS);
}

/** The bytes of the head without the `Upgrade` header. @param isLast announces the end of the connection in the head */
function headBytes({ method, url, httpVersion, rawHeaders }: IncomingMessage, isLast: boolean): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.toLowerCase() !== "upgrade" && !(isLast && name.toLowerCase() === "connection"))
      lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  if (isLast) lines.push("Connection: close");
  // Node decodes heads as Latin-1.
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/**
 * Replays a request that came as an upgrade: puts the head back into the socket, and hands the socket to the server as a new connection.
 * MUST be called while no response is pending on the socket.
 *
 * @param head the bytes that Node read after the request's head
 * @returns `false` if a replay is impossible; the caller then ends the socket
 */
export function replayRequest(server: ReplayTarget, request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  if (!socket.readable || !socket.writable || hasDroppedHeaders(request, server)) return false;
  // The server would count the requests of the connection from zero, so a server with a limit closes after the replay.
  const isLast = (server.maxRequestsPerSocket ?? 0) > 0;
  socket.unshift(Buffer.concat([headBytes(request, isLast), head]));
  server.emit(isEncrypted(socket) ? "secureConnection" : "connection", socket);
  return true;
}

/**
 * Lets a `shouldUpgradeCallback` decline upgrades that have a body, where Node supports the callback: from version 25 on Node consumes the
 * body of an upgrade, which makes a replay impossible. An upgrade without a body is not declined but replayed, since Node loses bytes that
 * follow a declined upgrade.
 *
 * @param isIgnored whether the upgrade of a request is to be ignored
 * @returns what restores the previous callback
 */
export function declineUpgradesWithBody(server: object, isIgnored: (request: IncomingMessage) => boolean): () => void {
  const previous: unknown = Reflect.get(server, "shouldUpgradeCallback");
  if (typeof previous !== "function") return () => {};
  let isUndone = false;
  const callback: ShouldUpgrade = (request) =>
    (isUndone || !isIgnored(request) || !hasBody(request)) && Boolean(previous.call(server, request));
  Reflect.set(server, "shouldUpgradeCallback", callback);
  return () => {
    isUndone = true;
    // Other code may have wrapped the callback meanwhile.
    if (Reflect.get(server, "shouldUpgradeCallback") === callback)
      Reflect.set(server, "shouldUpgradeCallback", previous);
  };
}
