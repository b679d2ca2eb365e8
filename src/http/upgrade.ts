/**
 * Upgrades: has the handshake request checked, asks the gate, and either hands the socket to the transport or refuses
 * the upgrade with a status and a line with the cause. `serve` and `attach` share the listener. Nothing here outlives the handshake.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { plainAddress } from "../admission/address.js";
import { CommonHeaders, type SplitHeaders } from "../admission/common-headers.js";
import type { Gate } from "../admission/gate.js";
import { type AdmissionHeaders, type Head, readPath } from "../admission/request-head.js";
import { readSessionOffer, type SessionOffer } from "../admission/session-offer.js";
import { LEFT, type UpgradeAttempt } from "../admission/upgrade-attempt.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isEncrypted } from "../transport/encryption.js";
import type { HandshakeRequest } from "../transport/handshake-request.js";
import type { Admission } from "../transport/transport.js";
import { checkHandshake, type HandshakeHeaders, type RequestHead, readHandshakeHeaders, VERSION } from "./handshake.js";
import { DirectRequest, HandshakeReader } from "./handshake-reader.js";
import { ignoreError, refuseSocket } from "./refuse.js";
import { isTaken, logTaken, writtenTo } from "./shared-socket.js";
import type { SockJsEndpoints, UpgradePlan } from "./sockjs-endpoints.js";

/** Completes the handshake on the socket and accepts the admission. */
export type HandOver = (request: HandshakeRequest, socket: Duplex, head: Buffer, admission: Admission) => void;

/** The listener of an HTTP server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Reads the head of a request and the addresses of its socket. @param localAddress the local address of the socket, if known */
export function readHead(
  { socket, url = "/" }: Pick<RequestHead, "socket" | "url">,
  { headers, individualValues }: SplitHeaders,
  localAddress?: string | undefined,
): Head {
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
  const head = {
    url,
    headers,
    individualValues,
    version: VERSION,
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: localAddress ?? plainAddress(socket.localAddress),
    secure: isEncrypted(socket),
  };
  // Node returns an empty object for a peer without a certificate.
  return certificate?.subject === undefined ? head : { ...head, peerCertificate: certificate };
}

/** An upgrade, until the socket has a new owner or is refused. */
class PendingUpgrade implements UpgradeAttempt {
  readonly head: Head;
  readonly headers: AdmissionHeaders;
  readonly at: number;
  readonly target: string;
  readonly sessionOffer: SessionOffer | undefined;
  readonly sockjs?: "framed" | "raw";
  readonly #parts: UpgradeParts;
  readonly #request: IncomingMessage | DirectRequest;
  readonly #socket: Duplex;
  /** The bytes that were read after the head. */
  readonly #rest: Buffer;
  readonly #plan: UpgradePlan | undefined;
  readonly #written: unknown;
  #handshake: HandshakeHeaders | undefined;
  #abort: AbortController | undefined;
  #onLeft: (() => void) | undefined;

  constructor(
    parts: UpgradeParts,
    request: IncomingMessage | DirectRequest,
    { split, sessionOffer }: ReadHeaders,
    socket: Duplex,
    rest: Buffer,
  ) {
    this.at = parts.clock.now();
    this.target = request.url ?? "/";
    this.sessionOffer = sessionOffer;
    this.headers = split.admission;
    this.head = readHead(request, split, parts.localAddress);
    this.#parts = parts;
    this.#request = request;
    this.#socket = socket;
    this.#rest = rest;
    this.#written = parts.isShared ? writtenTo(socket) : undefined;
    this.#plan = parts.sockjs?.planUpgrade(request);
    if (this.#plan === undefined) return;
    this.sockjs = "wrap" in this.#plan ? this.#plan.kind : "framed";
    // Protocols older than RFC 6455 have no version.
    this.head = { ...this.head, url: this.#plan.url, version: this.#isOlder ? 0 : VERSION };
  }

  get raw(): IncomingMessage {
    return this.#request instanceof DirectRequest ? this.#request.message : this.#request;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      this.#onLeft = () => abort.abort();
      if (hasLeft(this.#socket)) abort.abort();
      // A peer that has ended its side cannot speak WebSocket, but Node keeps the socket half-open: `end` counts as leaving.
      this.#socket.once("end", this.#onLeft);
      this.#socket.once("close", this.#onLeft);
    }
    return this.#abort.signal;
  }

  /** Decides on the upgrade: at once, unless the gate has to wait. */
  decide(): void {
    const answer = this.#refusal() ?? this.#parts.gate.admit(this);
    if (!(answer instanceof Promise)) {
      this.#settle(answer);
      return;
    }
    // Without a listener, a reset by the peer would end the process.
    this.#socket.on("error", ignoreError);
    // The first bytes of the connection have set the socket flowing: what arrives meanwhile would be lost.
    const isFlowing = this.#socket.readableFlowing === true;
    if (isFlowing) this.#socket.pause();
    answer.then((later) => {
      this.#socket.removeListener("error", ignoreError);
      if (isFlowing) this.#socket.resume();
      this.#settle(later);
    });
  }

  #refusal(): Refusal | undefined {
    if (this.#plan !== undefined && "refusal" in this.#plan) return this.#plan.refusal;
    if (this.#isOlder) return undefined;
    if (this.#request instanceof DirectRequest) {
      this.#handshake = this.#request.handshake;
      return undefined;
    }
    this.#handshake = readHandshakeHeaders(this.#request.rawHeaders);
    return checkHandshake(this.#request, this.headers, this.#handshake);
  }

  /** Whether the protocol is older than RFC 6455. */
  get #isOlder(): boolean {
    return this.#plan !== undefined && "wrap" in this.#plan && this.#plan.handshake !== undefined;
  }

  #settle(answer: Admission | Refusal): void {
    const { gate, clock, isShared, log } = this.#parts;
    this.#release();
    if (isShared && isTaken(this.#socket, this.#written)) {
      if ("accept" in answer) answer.cancel();
      logTaken(log, this.#request);
      return;
    }
    if ("accept" in answer && !hasLeft(this.#socket)) {
      this.#handOver(answer);
      return;
    }
    // `ws` never calls back for a socket that has ended, so the admission is cancelled here.
    if ("accept" in answer) answer.cancel();
    const refusal = "accept" in answer ? LEFT : answer;
    gate.refused(this, refusal);
    refuseSocket(this.#socket, refusal, clock);
  }

  /** Hands the socket to the transport. Cancels the admission if the handshake fails. */
  #handOver(given: Admission): void {
    const [request, socket, rest, plan] = [this.#request, this.#socket, this.#rest, this.#plan];
    const admission = plan !== undefined && "wrap" in plan ? plan.wrap(given) : given;
    if (plan !== undefined && "wrap" in plan && plan.handshake !== undefined) {
      plan.handshake(request, socket, rest, admission);
      return;
    }
    // `ws` does not accept a list of protocols to upgrade to.
    const headers = { ...this.#handshake, upgrade: "websocket" };
    try {
      this.#parts.handOver({ method: "GET", headers, socket: request.socket }, socket, rest, admission);
    } catch (error) {
      if (given.isAccepted) throw error;
      // `ws` throws for a socket with an earlier handshake.
      this.#parts.log.error({ err: error, path: readPath(this.head.url) }, "handshake failed");
    }
    if (!given.isAccepted) given.cancel();
  }

  /** Removes the listeners from the socket, which has a new owner after the decision. */
  #release(): void {
    if (this.#onLeft === undefined) return;
    this.#socket.removeListener("end", this.#onLeft);
    this.#socket.removeListener("close", this.#onLeft);
  }
}

function hasLeft(socket: Duplex): boolean {
  return !socket.readable || !socket.writable;
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

/** The upgrades of a listener. */
export interface Upgrades {
  /** Takes an upgrade of Node's. */
  readonly onUpgrade: UpgradeListener;
  /** Reads a handshake request from the first bytes of a connection. @returns `undefined` for a request that is up to Node */
  readonly read: (socket: Socket, bytes: Buffer) => DirectRequest | undefined;
  /** Takes a request that `read` has returned. */
  readonly onHandshake: (request: DirectRequest) => void;
}

/** What decides on an upgrade among the headers of the request. */
type ReadHeaders = Pick<DirectRequest, "split" | "sessionOffer">;

export function createUpgrades(parts: UpgradeParts): Upgrades {
  const common = new CommonHeaders();
  const reader = new HandshakeReader(common);
  return {
    onUpgrade: (request, socket, rest) => {
      const sessionOffer = readSessionOffer(request.rawHeaders);
      const split = common.split(sessionOffer?.rawHeaders ?? request.rawHeaders);
      new PendingUpgrade(parts, request, { split, sessionOffer }, socket, rest).decide();
    },
    read: (socket, bytes) => reader.read(socket, bytes),
    onHandshake: (request) => new PendingUpgrade(parts, request, request, request.socket, request.rest).decide(),
  };
}
