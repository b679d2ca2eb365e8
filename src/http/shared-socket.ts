/**
 * Sockets of upgrades on a host server, where several listeners see the same upgrade: `attach.ts` and `upgrade.ts` ask here whether another
 * listener has taken a socket meanwhile, and leave such a socket alone.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { readPath } from "../admission/request-head.js";
import type { Logger } from "../runtime/logger.js";

/** The number of bytes written to a socket or queued for writing; `undefined` for a stream without a count. */
export function writtenTo(socket: Duplex): unknown {
  return Reflect.get(socket, "bytesWritten");
}

/**
 * Whether another listener has taken a socket: reads from the socket, or has written to it.
 *
 * @param written the result of {@link writtenTo} at the time of the `upgrade` event
 */
export function isTaken(socket: Duplex, written: unknown): boolean {
  const isRead = socket.listenerCount("data") > 0 || socket.listenerCount("readable") > 0;
  const isEnded = socket.writableEnded && !socket.destroyed;
  return isRead || isEnded || writtenTo(socket) !== written;
}

/** Logs that an upgrade for a route was left to another listener. */
export function logTaken(log: Logger, request: Pick<IncomingMessage, "url">): void {
  const path = readPath(request.url ?? "/");
  log.warn({ path }, "upgrade left alone: another upgrade listener of this HTTP server has taken its socket");
}
