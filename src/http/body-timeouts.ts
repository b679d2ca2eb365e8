/**
 * The time that bodies of requests may take: a client that lets one drip in, byte by byte, would hold its connection, and over SockJS
 * its session's sends, for as long as it likes. `Requests` has every body watched that it answers, whoever reads it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { plainAddress } from "../admission/address.js";
import { readPath } from "../admission/request-head.js";
import type { Refusal } from "../api/rejection.js";
import { Alarm, type Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { hasBody } from "./ignored-upgrade.js";
import { refuseSocket } from "./refuse.js";

/** In each span of this length a body MUST end, or bring {@link BODY_BYTES_PER_SPAN}: slow uplinks pass, drips do not. */
export const BODY_SPAN_MS = 30_000;
export const BODY_BYTES_PER_SPAN = 16_384;

const TOO_SLOW: Refusal = { status: 408, body: "the request's body took too long" };

export interface BodyParts {
  readonly clock: Clock;
  readonly log: Logger;
}

/** One body that is coming in: the alarm for it. */
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
    // Node does not close a request whose answer was through before its body, when the connection ends.
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
    // It may be there and wait for somebody to read it.
    if (request.complete || request.destroyed) return;
    const isHeldBack = request.readableLength >= request.readableHighWaterMark;
    if (!isHeldBack && bytesRead - this.#bytesRead < BODY_BYTES_PER_SPAN) {
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
    // Past its response, which may be somebody else's: to write to one that is ended would be an error of theirs.
    const isUnanswered = !this.#response.headersSent && socket.writable && this.#request.httpVersionMajor === 1;
    if (!isUnanswered) {
      socket.destroy();
      return;
    }
    this.#response.statusCode = TOO_SLOW.status;
    refuseSocket(socket, TOO_SLOW, this.#parts.clock);
  }
}

/** @returns what ends the watch: the body is somebody else's affair */
export function watchBody(request: IncomingMessage, response: ServerResponse, parts: BodyParts): () => void {
  if (!hasBody(request) || request.complete) return () => {};
  const coming = new BodyTimeout(request, response, parts);
  return coming.stop;
}
