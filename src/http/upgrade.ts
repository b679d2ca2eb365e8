/**
 * Upgrades: checks the handshake request (RFC 6455 section 4.2.1), asks the gate, and either hands the socket to the transport or refuses
 * the upgrade with a status and a line with the cause. `serve` and `attach` share the listener. Nothing here outlives the handshake.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { plainAddress } from "../admission/address.js";
import type { Gate } from "../admission/gate.js";
import type { AdmissionHeaders, Head } from "../admission/request-head.js";
import { CommonHeaders, readAdmissionHeaders, readPath } from "../admission/request-head.js";
import { readSessionOffer, type SessionOffer } from "../admission/session-offer.js";
import { LEFT, type UpgradeAttempt } from "../admission/upgrade-attempt.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isEncrypted } from "../transport/encryption.js";
import type { Admission } from "../transport/transport.js";
import { hasBody, namesWebSocket } from "./ignored-upgrade.js";
import { ignoreError, refuseSocket } from "./refuse.js";
import { isTaken, logTaken, writtenTo } from "./shared-socket.js";
import type { SockJsEndpoints, UpgradePlan } from "./sockjs-endpoints.js";

/** Completes the handshake on the socket and accepts the admission. */
export type HandOver = (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;

/** The listener of an HTTP server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const VERSION = 13;
/** Names separated by commas (RFC 6455 section 4.1). */
const PROTOCOLS = /^[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*(,[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*)*$/;

/** Requests with 1,000 headers are refused: Node drops headers beyond its default limit of 1,000, among them perhaps a trusted proxy's. */
const MAX_HEADERS = 1_000;

/**
 * Reads the head of a request and the addresses of its socket.
 *
 * @param localAddress the local address of the socket, if known
 * @param rawHeaders the headers of the request without the names of sessions
 */
export function readHead(
  request: IncomingMessage,
  common: CommonHeaders = new CommonHeaders(),
  localAddress?: string | undefined,
  rawHeaders: readonly string[] = readSessionOffer(request.rawHeaders)?.rawHeaders ?? request.rawHeaders,
): Head {
  const { socket } = request;
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
  return {
    url: request.url ?? "/",
    ...common.split(rawHeaders),
    version: VERSION,
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: localAddress ?? plainAddress(socket.localAddress),
    secure: isEncrypted(socket),
    // Node returns an empty object for a peer without a certificate.
    ...(certificate?.subject !== undefined && { peerCertificate: certificate }),
  };
}

/** The refusal for an invalid handshake request; `undefined` for a valid request. */
function checkHandshake(request: IncomingMessage, { host }: AdmissionHeaders): Refusal | undefined {
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
  if (!isProtocolList(headers["sec-websocket-protocol"]))
    return { status: 400, body: "the Sec-WebSocket-Protocol header is not a list of different names" };
  if (hasBody(request)) return { status: 400, body: "an upgrade has no body" };
  return undefined;
}

function isProtocolList(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(",").map((name) => name.trim());
  return PROTOCOLS.test(header) && new Set(names).size === names.length;
}

/** An upgrade until the decision of the gate. */
class PendingUpgrade implements UpgradeAttempt {
  readonly head: Head;
  readonly headers: AdmissionHeaders;
  readonly raw: IncomingMessage;
  readonly at: number;
  readonly sessionOffer: SessionOffer | undefined;
  readonly sockjs?: "framed" | "raw";
  readonly #socket: Duplex;
  #abort: AbortController | undefined;

  constructor(
    raw: IncomingMessage,
    socket: Duplex,
    { at, head, sessionOffer }: Pick<UpgradeAttempt, "at" | "head" | "sessionOffer">,
    plan: UpgradePlan | undefined,
  ) {
    this.at = at;
    this.raw = raw;
    this.head = head;
    this.sessionOffer = sessionOffer;
    this.headers = readAdmissionHeaders(sessionOffer?.rawHeaders ?? raw.rawHeaders);
    this.#socket = socket;
    if (plan === undefined) return;
    this.sockjs = "wrap" in plan ? plan.kind : "framed";
    // Protocols older than RFC 6455 have no version.
    const version = "wrap" in plan && plan.handshake !== undefined ? 0 : VERSION;
    this.head = { ...this.head, url: plan.url, version };
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (hasLeft(this.#socket)) this.#abort.abort();
      // A peer that has ended its side cannot speak WebSocket, but Node keeps the socket half-open: `end` counts as leaving.
      this.#socket.once("end", this.#onLeft);
      this.#socket.once("close", this.#onLeft);
    }
    return this.#abort.signal;
  }

  /** Removes the listeners from the socket, which has a new owner after the decision. */
  release(): void {
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

/** Hands a socket to the transport. Cancels the admission if the handshake fails. */
function handOverSocket(
  attempt: PendingUpgrade,
  socket: Duplex,
  head: Buffer,
  admission: Admission,
  parts: UpgradeParts,
): void {
  let isAccepted = false;
  const accept: Admission["accept"] = (transport) => {
    isAccepted = true;
    return admission.accept(transport);
  };
  attempt.release();
  // `ws` does not accept a list.
  attempt.raw.headers.upgrade = "websocket";
  try {
    parts.handOver(attempt.raw, socket, head, { ...admission, accept });
  } catch (error) {
    if (isAccepted) throw error;
    // `ws` throws for a socket with an earlier handshake.
    parts.log.error({ err: error, path: readPath(attempt.head.url) }, "handshake failed");
  }
  if (!isAccepted) admission.cancel();
}

export interface UpgradeParts {
  readonly gate: Pick<Gate, "admit" | "refused">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handOver: HandOver;
  /** Plans SockJS upgrades; asked first. */
  readonly sockjs: Pick<SockJsEndpoints, "planUpgrade"> | undefined;
  /** The local address of every socket, if known. Otherwise each socket is asked, which takes 2 µs. */
  readonly localAddress?: string | undefined;
  /** Whether other listeners see the same upgrades, and may take a socket before the decision. */
  readonly isShared: boolean;
}

export function createUpgrade(parts: UpgradeParts): UpgradeListener {
  const { gate, sockjs, log, isShared } = parts;
  const common = new CommonHeaders();
  return (request, socket, head) => {
    // Must come first: without a listener, a reset by the peer would end the process.
    socket.on("error", ignoreError);
    const found = sockjs?.planUpgrade(request);
    const sessionOffer = readSessionOffer(request.rawHeaders);
    const rawHeaders = sessionOffer?.rawHeaders ?? request.rawHeaders;
    const requestHead = readHead(request, common, parts.localAddress, rawHeaders);
    const received = { at: parts.clock.now(), head: requestHead, sessionOffer };
    const attempt = new PendingUpgrade(request, socket, received, found);
    const plan = found !== undefined && "wrap" in found ? found : undefined;
    const written = isShared ? writtenTo(socket) : undefined;
    const settle = (answer: Admission | Refusal): void => {
      if (isShared && isTaken(socket, written)) {
        if ("accept" in answer) answer.cancel();
        attempt.release();
        logTaken(log, request);
        return;
      }
      if ("accept" in answer && !hasLeft(socket)) {
        const admission = plan?.wrap(answer) ?? answer;
        if (plan?.handshake === undefined) handOverSocket(attempt, socket, head, admission, parts);
        else {
          attempt.release();
          plan.handshake(request, socket, head, admission);
        }
        return;
      }
      // `ws` never calls back for a socket that has ended, so the admission is cancelled here.
      if ("accept" in answer) answer.cancel();
      const refusal = "accept" in answer ? LEFT : answer;
      gate.refused(attempt, refusal);
      refuseSocket(socket, refusal, parts.clock);
    };
    const sockjsRefusal = found !== undefined && "refusal" in found ? found.refusal : undefined;
    const isChecked = plan?.handshake === undefined;
    const refusal = sockjsRefusal ?? (isChecked ? checkHandshake(request, attempt.headers) : undefined);
    const answer = refusal ?? gate.admit(attempt);
    if (answer instanceof Promise) answer.then(settle);
    else settle(answer);
  };
}
