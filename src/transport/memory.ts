/**
 * Connections without a network, for tests: the same road as over sockets (admission, wire, peer, close handshake, pauses),
 * with a client end in the same process. Each delivery is a step of its own on the clock.
 */

import type { Clock } from "../clock.js";
import { ABNORMAL, protocolErrorCode, TooLarge } from "../closing.js";
import type { Address, Entrance, Gate, Head, Peer, Wire } from "../contracts.js";
import type { ConnectionId, Frame, TransportName } from "../events.js";
import type { Refusal } from "../reject.js";
import { Line } from "./line.js";

/** What the client end tells of what it reads. Calls after `closed` do not happen. */
export interface MemoryClientEvents {
  message(data: string | Buffer): void;
  pong(data: Buffer): void;
  closed(code: number, reason: string): void;
}

type ToServer =
  | { readonly type: "message"; readonly data: string | Buffer }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "reset"; readonly error: Error };

type ToClient =
  | { readonly type: "frames"; readonly frames: readonly Frame[]; readonly untaken: number }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "cut" };

/** As it would come out of a socket: a copy of bytes, and of text what UTF-8 can say of it. */
function asSent(data: string | Buffer): string | Buffer {
  if (typeof data !== "string") return Buffer.from(data);
  return LONE_SURROGATE.test(data) ? Buffer.from(data).toString() : data;
}
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Both ends of one connection. The server sees it as a {@link Wire}, a test through `client`. */
class MemoryLink implements Wire {
  readonly transport: TransportName = "memory";
  readonly isDelayed = false;
  readonly client: MemoryClientEnd;
  readonly #clock: Clock;
  readonly #maxPayloadBytes: number;
  readonly #toServer: Line<ToServer>;
  readonly #toClient: Line<ToClient>;
  #peer: Peer | undefined;
  #events: MemoryClientEvents | undefined;
  #isOpen = true;
  #clientHasClosed = false;
  #untaken = 0;
  /** What has come from the client; counted in deliveries. */
  #arrived = 0;

  constructor(clock: Clock, maxPayloadBytes: number, events: MemoryClientEvents) {
    this.#clock = clock;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#events = events;
    this.#toServer = new Line(clock, (item) => this.#atServer(item));
    this.#toClient = new Line(clock, (item) => this.#atClient(item));
    this.client = {
      send: (data) => this.#fromClient({ type: "message", data: asSent(data) }),
      ping: (data) => this.#fromClient({ type: "ping", data }),
      close: (code, reason) => {
        const isFirst = this.#fromClient({ type: "close", code, reason });
        this.#clientHasClosed = true;
        return isFirst;
      },
      fail: (error) => {
        if (this.#events !== undefined) this.#toServer.push({ type: "reset", error });
        this.#clientLost();
      },
      stall: () => this.#toClient.hold(),
      resume: () => this.#toClient.release(),
    };
  }

  attach(peer: Peer): void {
    this.#peer = peer;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get bytesRead(): number {
    return this.#arrived;
  }

  get untakenBytes(): number {
    return this.#untaken;
  }

  mustWait(): boolean {
    return this.#untaken > 0;
  }

  write(frames: readonly Frame[]): boolean {
    if (!this.#isOpen) return false;
    const untaken = this.#toClient.isHeld ? frames.reduce((sum, frame) => sum + frame.wire.length, 0) : 0;
    this.#untaken += untaken;
    this.#toClient.push({ type: "frames", frames, untaken });
    return true;
  }

  ping(data: Buffer): void {
    if (this.#isOpen) this.#toClient.push({ type: "ping", data });
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#toClient.push({ type: "close", code, reason });
  }

  terminate(): void {
    this.#isOpen = false;
    this.#toServer.cut();
    if (this.#toClient.isHeld) this.#clientLost();
    else this.#toClient.push({ type: "cut" });
    this.#goneSoon();
  }

  pause(): void {
    this.#toServer.hold();
  }

  resume(): void {
    this.#toServer.release();
  }

  #fromClient(item: ToServer): boolean {
    if (this.#events === undefined || this.#clientHasClosed) return false;
    this.#toServer.push(item);
    return true;
  }

  #atServer(item: ToServer): void {
    this.#arrived++;
    switch (item.type) {
      case "message":
        this.#message(item.data);
        return;
      case "ping":
        if (this.#isOpen) this.#toClient.push({ type: "pong", data: item.data });
        return;
      case "pong":
        this.#peer?.pong();
        return;
      case "close":
        if (this.#isOpen) this.#toClient.push({ type: "close", code: item.code, reason: item.reason });
        this.#gone(item.code, item.reason);
        return;
      case "reset":
        this.#isOpen = false;
        this.#peer?.failed(item.error);
        this.#gone(ABNORMAL, "");
    }
  }

  #message(data: string | Buffer): void {
    const bytes = Buffer.byteLength(data);
    if (bytes > this.#maxPayloadBytes) this.#refuseMessage();
    else this.#peer?.message(data, bytes);
  }

  /** As `ws` does: the error, a close frame with the code for it, and nothing more is read. */
  #refuseMessage(): void {
    const error = new TooLarge("Max payload size exceeded");
    this.close(protocolErrorCode(error) ?? ABNORMAL, "");
    this.#toServer.cut();
    this.#peer?.failed(error);
    this.#goneSoon();
  }

  #atClient(item: ToClient): void {
    const events = this.#events;
    if (events === undefined) return;
    switch (item.type) {
      case "frames":
        for (const { data } of item.frames) events.message(asSent(data));
        this.#taken(item.untaken);
        return;
      case "ping":
        this.#toServer.push({ type: "pong", data: item.data });
        return;
      case "pong":
        events.pong(item.data);
        return;
      case "close":
        // The peer of a close frame answers it (RFC 6455 section 5.5.1), with the code it got.
        this.#toServer.push({ type: "close", code: item.code, reason: item.reason });
        this.#events = undefined;
        events.closed(item.code, item.reason);
        return;
      case "cut":
        this.#clientLost();
    }
  }

  #taken(bytes: number): void {
    if (bytes === 0) return;
    this.#untaken -= bytes;
    if (this.#untaken === 0) this.#peer?.drained();
  }

  #clientLost(): void {
    this.#toClient.cut();
    const events = this.#events;
    this.#events = undefined;
    events?.closed(ABNORMAL, "");
  }

  #goneSoon(): void {
    this.#clock.soon(() => this.#gone(ABNORMAL, ""));
  }

  #gone(code: number, reason: string): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#isOpen = false;
    this.#toServer.cut();
    peer?.gone(code, reason);
  }
}

/** What a test does at the far end. What is sent is on its way, not there. */
export interface MemoryClientEnd {
  /** @returns `false` once this end is closed; so do the next two */
  send(data: string | Buffer): boolean;
  ping(data: Buffer): boolean;
  close(code: number, reason: string): boolean;
  /** The socket fails under both ends. */
  fail(error: Error): void;
  /** Reads nothing until `resume`. */
  stall(): void;
  resume(): void;
}

/** A connection that was let in: its id at the server, and the test's end of it. */
export interface MemoryConnection {
  readonly id: ConnectionId;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  readonly end: MemoryClientEnd;
}

/** The entrance of a server that has no port: clients come in through `connect`. */
export class MemoryEntrance implements Entrance {
  readonly #clock: Clock;
  #gate: Gate | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly address: Address = { host: "memory", port: 0, isSecure: false };

  async open(gate: Gate): Promise<void> {
    this.#gate = gate;
  }

  async close(): Promise<void> {
    this.#gate = undefined;
  }

  /** @param signal aborted when the client gives up before it is let in */
  async connect(head: Head, events: MemoryClientEvents, signal: AbortSignal): Promise<MemoryConnection | Refusal> {
    const asking = { at: this.#clock.now(), head, raw: undefined, signal };
    const admission = (await this.#gate?.admit(asking)) ?? { status: 503, body: "the server is not listening" };
    if ("status" in admission) {
      this.#gate?.refused(asking, admission);
      return admission;
    }
    const link = new MemoryLink(this.#clock, admission.maxPayloadBytes, events);
    const peer = admission.accept(link);
    link.attach(peer);
    return { id: peer.id, protocol: admission.protocol, end: link.client };
  }
}
