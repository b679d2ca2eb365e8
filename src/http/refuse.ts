/** Turning down a connection that speaks HTTP, or was meant to: a status and one line that names the cause, then the end. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../reject.js";

/** For sockets that nobody else listens to: an error nobody hears ends the process. */
export function ignoreError(): void {}

export function refuseSocket(socket: Duplex, { status, body, headers = {} }: Refusal): void {
  const lines = Object.entries({
    "Content-Type": "text/plain; charset=utf-8",
    ...headers,
    Connection: "close",
    "Content-Length": String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  // A peer that keeps its half open would keep the socket for good.
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}
