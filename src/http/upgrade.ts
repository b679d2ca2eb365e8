/**
 * Upgrades: checks the request (RFC 6455 section 4.2.1), asks the gate, and either hands the socket over or refuses with a
 * status and one line that names the cause. Nothing here outlives the handshake.
 */
import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import type { Duplex } from "node:stream";
import type { Admission, Gate, Head, Refusal } from "../contracts.js";
import { joinHeaders } from "../head.js";
import { ignoreError, refuseSocket } from "./refuse.js";

/** Completes the handshake on the socket and accepts the connection. */
export type HandOver = (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;

/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const VERSION = 13;

function readHead(request: IncomingMessage): Head {
  const { socket } = request;
  return {
    url: request.url ?? "/",
    headers: joinHeaders(request.rawHeaders),
    version: VERSION,
    protocol: "",
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    secure: "encrypted" in socket,
  };
}

/** An IPv4 peer of a socket that listens on IPv6 is shown as what it is. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return isIPv6(address) && address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** What is wrong with the request itself; `undefined` if nothing. */
function fault({ method, headers }: IncomingMessage): Refusal | undefined {
  if (method !== "GET") return { status: 405, body: `an upgrade is a GET, not a ${method}`, headers: { Allow: "GET" } };
  if (headers.upgrade?.toLowerCase() !== "websocket")
    return { status: 400, body: "the Upgrade header is not websocket" };
  if (!KEY.test(headers["sec-websocket-key"] ?? ""))
    return { status: 400, body: "the Sec-WebSocket-Key header is missing or not 16 bytes in base64" };
  if (headers["sec-websocket-version"] !== String(VERSION))
    return {
      status: 426,
      body: `the Sec-WebSocket-Version header is not ${VERSION}`,
      headers: { Upgrade: "websocket", "Sec-WebSocket-Version": String(VERSION) },
    };
  return undefined;
}

/** The listener of an HTTP server's `upgrade` event. */
export function createUpgrade(
  gate: Gate,
  handOver: HandOver,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (request, socket, head) => {
    // First thing: a peer that resets its connection now must not end the process.
    socket.on("error", ignoreError);
    const facts = readHead(request);
    const answer = fault(request) ?? gate.admit(facts);
    if ("status" in answer) {
      gate.refused(facts, answer);
      refuseSocket(socket, answer);
      return;
    }
    socket.removeListener("error", ignoreError);
    handOver(request, socket, head, answer);
  };
}
