/** Turning down a connection that speaks HTTP, or was meant to: a status and one line that names the cause, then the end. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../reject.js";

/** What becomes of an upgrade whose peer has gone before it was decided: nobody reads the answer, the log and `onAccess` do. */
export const LEFT: Refusal = { status: 499, body: "the peer left before it was let in" };

/** For sockets that nobody else listens to: an error nobody hears ends the process. */
export function ignoreError(): void {}

export function refuseSocket(socket: Duplex, { status, body, headers = {} }: Refusal): void {
  const given = Object.entries(headers).filter(([name]) => !/^(connection|content-length)$/i.test(name));
  const isTyped = given.some(([name]) => name.toLowerCase() === "content-type");
  const lines = [
    ...(isTyped ? [] : [["Content-Type", "text/plain; charset=utf-8"]]),
    ...given,
    ["Connection", "close"],
    ["Content-Length", String(Buffer.byteLength(body))],
  ]
    // An empty type is none: SockJS refuses methods without one.
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  // A peer that keeps its half open would keep the socket for good.
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}
