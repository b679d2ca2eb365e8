/**
 * Upgrades: checks the request (RFC 6455 section 4.2.1), asks the gate, and either hands the socket over or refuses with a
 * status and one line that names the cause. Nothing here outlives the handshake.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { plainAddress } from "../admission/address.js";
import type { AskedHeaders, Head } from "../admission/request-head.js";
import { CommonHeaders, pickHeaders, readPath } from "../admission/request-head.js";
import type { Gate, UpgradeAttempt } from "../admission/upgrade-attempt.js";
import { LEFT } from "../admission/upgrade-attempt.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Admission } from "../transport/transport.js";
import { hasBody, namesWebSocket } from "./ordinary.js";
import { ignoreError, refuseSocket } from "./refuse.js";
import type { SockJsEndpoints, UpgradePlan } from "./sockjs-endpoints.js";

/** Completes the handshake on the socket and accepts the connection. */
export type HandOver = (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;

/** The listener of an HTTP server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const VERSION = 13;
/** Names with commas between them (RFC 6455 section 4.1). */
const PROTOCOLS = /^[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*(,[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*)*$/;

/** Node forgets those behind, unless it is told not to: among them could be what a trusted proxy has added. */
const MAX_HEADERS = 1_000;

/** The facts of a request, as they stand on its socket. @param localAddress the socket's at our side, if that is known */
export function readHead(
  request: IncomingMessage,
  common: CommonHeaders = new CommonHeaders(),
  localAddress?: string | undefined,
): Head {
  const { socket } = request;
  const isSecure = socket instanceof TLSSocket;
  const certificate = isSecure ? socket.getPeerCertificate() : undefined;
  return {
    url: request.url ?? "/",
    ...common.split(request.rawHeaders),
    version: VERSION,
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: localAddress ?? plainAddress(socket.localAddress),
    secure: isSecure,
    // Node gives an empty object for a peer that has shown none.
    ...(certificate?.subject !== undefined && { peerCertificate: certificate }),
  };
}

/** What is wrong with the request itself; `undefined` if nothing. */
function fault(request: IncomingMessage, { host }: AskedHeaders): Refusal | undefined {
  const { method, httpVersion, headers, rawHeaders } = request;
  if (rawHeaders.length >= 2 * MAX_HEADERS) return { status: 431, body: "the request has too many headers" };
  if (httpVersion === "1.0") return { status: 400, body: "an upgrade needs HTTP/1.1" };
  if (host === undefined) return { status: 400, body: "the Host header is missing" };
  if (host.includes(", ")) return { status: 400, body: "there is more than one Host header" };
  if (method !== "GET") return { status: 405, body: `an upgrade is a GET, not a ${method}`, headers: { Allow: "GET" } };
  if (!namesWebSocket(request)) return { status: 400, body: "the Upgrade header is not websocket" };
  if (!KEY.test(headers["sec-websocket-key"] ?? ""))
    return { status: 400, body: "the Sec-WebSocket-Key header is missing or not 16 bytes in base64" };
  if (headers["sec-websocket-version"] !== String(VERSION))
    return {
      status: 426,
      body: `the Sec-WebSocket-Version header is not ${VERSION}`,
      headers: { Upgrade: "websocket", "Sec-WebSocket-Version": String(VERSION) },
    };
  if (!areProtocols(headers["sec-websocket-protocol"]))
    return { status: 400, body: "the Sec-WebSocket-Protocol header is not a list of different names" };
  if (hasBody(request)) return { status: 400, body: "an upgrade has no body" };
  return undefined;
}

function areProtocols(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(",").map((name) => name.trim());
  return PROTOCOLS.test(header) && new Set(names).size === names.length;
}

/** One request while it is being decided. */
class PendingUpgrade implements UpgradeAttempt {
  readonly head: Head;
  readonly headers: AskedHeaders;
  readonly raw: IncomingMessage;
  readonly at: number;
  readonly sockjs?: "framed" | "raw";
  readonly #socket: Duplex;
  #abort: AbortController | undefined;

  constructor(
    raw: IncomingMessage,
    socket: Duplex,
    { at, head }: Pick<UpgradeAttempt, "at" | "head">,
    plan: UpgradePlan | undefined,
  ) {
    this.at = at;
    this.raw = raw;
    this.head = head;
    this.headers = pickHeaders(raw.rawHeaders);
    this.#socket = socket;
    if (plan === undefined) return;
    this.sockjs = "wrap" in plan ? plan.kind : "framed";
    // The protocols before RFC 6455 have no version.
    const version = "wrap" in plan && plan.handshake !== undefined ? 0 : VERSION;
    this.head = { ...this.head, url: plan.url, version };
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (hasLeft(this.#socket)) this.#abort.abort();
      // A peer that only ends its side will not speak WebSocket either, and Node leaves its socket open.
      this.#socket.once("end", this.#onLeft);
      this.#socket.once("close", this.#onLeft);
    }
    return this.#abort.signal;
  }

  /** It is decided: the socket is somebody else's. */
  end(): void {
    if (this.#abort !== undefined) {
      this.#socket.removeListener("end", this.#onLeft);
      this.#socket.removeListener("close", this.#onLeft);
    }
    this.#socket.removeListener("error", ignoreError);
  }

  readonly #onLeft = (): void => this.#abort?.abort();
}

function hasLeft(socket: Duplex): boolean {
  return !socket.readable || !socket.writable;
}

/** How much has been written to a socket, and is to be; `undefined` for a stream that does not count. */
export function writtenTo(socket: Duplex): unknown {
  return Reflect.get(socket, "bytesWritten");
}

/**
 * Whether somebody else has taken a socket that is nobody's: reads it, or has written to it.
 *
 * @param written how much had been written when it was nobody's
 */
export function isTaken(socket: Duplex, written: unknown): boolean {
  const isRead = socket.listenerCount("data") > 0 || socket.listenerCount("readable") > 0;
  const isEnded = socket.writableEnded && !socket.destroyed;
  return isRead || isEnded || writtenTo(socket) !== written;
}

/** Says what became of an upgrade that is for a route of ours, and that another listener of the host has taken. */
export function tellTaken(log: Logger, request: IncomingMessage): void {
  const path = readPath(request.url ?? "/");
  log.warn({ path }, "upgrade left alone: another upgrade listener of this HTTP server has taken its socket");
}

/** Hands a socket over; its place is free again if the handshake comes to nothing after all. */
function enter(
  decision: PendingUpgrade,
  socket: Duplex,
  head: Buffer,
  admission: Admission,
  parts: UpgradeParts,
): void {
  let isAccepted = false;
  const accept: Admission["accept"] = (wire) => {
    isAccepted = true;
    return admission.accept(wire);
  };
  decision.end();
  // `ws` knows no list.
  decision.raw.headers.upgrade = "websocket";
  try {
    parts.handOver(decision.raw, socket, head, { ...admission, accept });
  } catch (error) {
    if (isAccepted) throw error;
    // `ws` says so of a socket that it has shaken hands on before.
    parts.log.error({ err: error, path: readPath(decision.head.url) }, "handshake failed");
  }
  if (!isAccepted) admission.cancel();
}

/** What an upgrade needs beside its own. */
export interface UpgradeParts {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handOver: HandOver;
  /** Asked first. */
  readonly sockjs: Pick<SockJsEndpoints, "planUpgrade"> | undefined;
  /** The one that all sockets have at our side, if that is known: else each is asked, which takes 2 µs. */
  readonly localAddress?: string | undefined;
  /** Others are told of the same upgrades, and one of them may take a socket while it is decided here. */
  readonly isShared: boolean;
}

export function createUpgrade(parts: UpgradeParts): UpgradeListener {
  const { gate, sockjs, log, isShared } = parts;
  const common = new CommonHeaders();
  return (request, socket, head) => {
    // First thing: a peer that resets its connection now must not end the process.
    socket.on("error", ignoreError);
    const found = sockjs?.planUpgrade(request);
    const asked = { at: parts.clock.now(), head: readHead(request, common, parts.localAddress) };
    const decision = new PendingUpgrade(request, socket, asked, found);
    const plan = found !== undefined && "wrap" in found ? found : undefined;
    const written = isShared ? writtenTo(socket) : undefined;
    const settle = (answer: Admission | Refusal): void => {
      if (isShared && isTaken(socket, written)) {
        if ("accept" in answer) answer.cancel();
        decision.end();
        tellTaken(log, request);
        return;
      }
      if ("accept" in answer && !hasLeft(socket)) {
        const admission = plan?.wrap(answer) ?? answer;
        if (plan?.handshake === undefined) enter(decision, socket, head, admission, parts);
        else {
          decision.end();
          plan.handshake(request, socket, head, admission);
        }
        return;
      }
      // `ws` would never call back for a peer that has left.
      if ("accept" in answer) answer.cancel();
      const refusal = "accept" in answer ? LEFT : answer;
      gate.refused(decision, refusal);
      refuseSocket(socket, refusal, parts.clock);
    };
    const isBad = found !== undefined && "refusal" in found ? found.refusal : undefined;
    const answer =
      isBad ?? (plan?.handshake === undefined ? fault(request, decision.headers) : undefined) ?? gate.admit(decision);
    if (answer instanceof Promise) answer.then(settle);
    else settle(answer);
  };
}
