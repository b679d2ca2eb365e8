/**
 * Timeouts for the bodies of requests. Without a limit, a client that sends a body byte by byte could hold a connection forever, and over
 * SockJS the sends of a session. `Requests` starts a timeout for each request, no matter which code reads the body. A timeout ends with the
 * body, or with the socket.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { plainAddress } from "../admission/address.js";
import { readPath } from "../admission/request-head.js";
import type { Refusal } from "../api/rejection.js";
import { Alarm, type Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { hasBody } from "./ignored-upgrade.js";
import { refuseSocket } from "./refuse.js";

/** Within every 30 s a body MUST end, or bring 16 KiB: enough for slow uplinks, too much for byte-by-byte senders. */
export const BODY_SPAN_MS = 30_000;
export const BODY_BYTES_PER_SPAN = 16_384;

const TOO_SLOW: Refusal = { status: 408, body: "the request's body took too long" };

export interface BodyParts {
  readonly clock: Clock;
  readonly log: Logger;
}

/** The alarm for the body of a request. */
class BodyTimeout extends Alarm {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #parts: BodyParts;
  #bytesRead: number;

  constructor(request: IncomingMessage, response: ServerResponse, parts: BodyParts) {
    super();
    this.#request = request;
    this.#response = response;
    this.#parts = parts;
    this.#bytesRead = request.socket.bytesRead;
    // Node does not close a request at the end of the connection if the response ended before the body.
    request.once("close", this.stop);
    request.socket.once("close", this.stop);
    this.#wait();
  }

  readonly stop = (): void => {
    this.cancel();
    this.#request.off("close", this.stop);
    this.#request.socket.off("close", this.stop);
  };

  ring(): void {
    const request = this.#request;
    const { bytesRead } = request.socket;
    if (request.complete || request.destroyed) return;
    // A full buffer is not the client's fault: nothing reads the body at the moment.
    const isUnread = request.readableLength >= request.readableHighWaterMark;
    if (!isUnread && bytesRead - this.#bytesRead < BODY_BYTES_PER_SPAN) {
      this.#refuse();
      return;
    }
    this.#bytesRead = bytesRead;
    this.#wait();
  }

  #wait(): void {
    this.#parts.clock.after(BODY_SPAN_MS, this);
  }

  #refuse(): void {
    const { socket, url = "/" } = this.#request;
    const path = readPath(url);
    const remoteAddress = plainAddress(socket.remoteAddress);
    this.#parts.log.info({ ...TOO_SLOW, reason: TOO_SLOW.body, path, remoteAddress }, "request refused");
    // The refusal bypasses the response object, which may belong to a host: a later write of the host must not fail.
    const isUnanswered = !this.#response.headersSent && socket.writable && this.#request.httpVersionMajor === 1;
    if (!isUnanswered) {
      socket.destroy();
      return;
    }
    this.#response.statusCode = TOO_SLOW.status;
    refuseSocket(socket, TOO_SLOW, this.#parts.clock);
  }
}

/** Starts a timeout for the body. @returns what stops the timeout, for a request that a host answers */
export function watchBody(request: IncomingMessage, response: ServerResponse, parts: BodyParts): () => void {
  if (!hasBody(request) || request.complete) return () => {};
  return new BodyTimeout(request, response, parts).stop;
}
