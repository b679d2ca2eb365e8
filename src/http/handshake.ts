/**
 * The handshake request of a WebSocket (RFC 6455 section 4.2.1): reads the headers that decide on the handshake, and checks the request.
 * Everything here ends with the handshake.
 */
import type { IncomingMessage } from "node:http";
import { type AdmissionHeaders, HeaderNames, pickHeaders } from "../admission/request-head.js";
import type { Refusal } from "../api/rejection.js";
import { announcesBody, namesWebSocket } from "./ignored-upgrade.js";

/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
export const VERSION = 13;
/** Names separated by commas (RFC 6455 section 4.1). */
const PROTOCOLS = /^[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*(,[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*)*$/;

/** Requests with 1,000 headers are refused: Node drops headers beyond its default limit of 1,000, among them perhaps a trusted proxy's. */
const MAX_HEADERS = 1_000;

/** The head of a request, as Node has it. */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "httpVersion" | "rawHeaders" | "headers" | "socket">;

/** The headers of a handshake by lower-case name. */
export type HandshakeHeaders = Record<string, string>;

const HANDSHAKE = new HeaderNames([
  "content-length",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
]);

/** Reads the headers of the handshake alone: Node would make an object of every header, which takes longer than the whole check. */
export function readHandshakeHeaders(rawHeaders: readonly string[]): HandshakeHeaders {
  return pickHeaders(rawHeaders, HANDSHAKE);
}

export function isKey(text: string): boolean {
  return KEY.test(text);
}

/** The refusal for an invalid handshake request; `undefined` for a valid request. */
export function checkHandshake(
  request: Pick<RequestHead, "method" | "httpVersion"> & { readonly rawHeaders: readonly string[] },
  { host }: AdmissionHeaders,
  headers: HandshakeHeaders,
): Refusal | undefined {
  const { method, httpVersion, rawHeaders } = request;
  if (rawHeaders.length >= 2 * MAX_HEADERS) return { status: 431, body: "the request has too many headers" };
  if (httpVersion === "1.0") return { status: 400, body: "an upgrade needs HTTP/1.1" };
  if (host === undefined) return { status: 400, body: "the Host header is missing" };
  if (host.includes(", ")) return { status: 400, body: "there is more than one Host header" };
  if (method !== "GET") return { status: 405, body: `an upgrade is a GET, not a ${method}`, headers: { Allow: "GET" } };
  if (!namesWebSocket(request)) return { status: 400, body: "the Upgrade header is not websocket" };
  if (!isKey(headers["sec-websocket-key"] ?? ""))
    return { status: 400, body: "the Sec-WebSocket-Key header is missing or not 16 bytes in base64" };
  if (headers["sec-websocket-version"] !== String(VERSION))
    return {
      status: 426,
      body: `the Sec-WebSocket-Version header is not ${VERSION}`,
      headers: { Upgrade: "websocket", "Sec-WebSocket-Version": String(VERSION) },
    };
  if (!isProtocolList(headers["sec-websocket-protocol"]))
    return { status: 400, body: "the Sec-WebSocket-Protocol header is not a list of different names" };
  if (announcesBody(headers)) return { status: 400, body: "an upgrade has no body" };
  return undefined;
}

function isProtocolList(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(",").map((name) => name.trim());
  return PROTOCOLS.test(header) && new Set(names).size === names.length;
}
