/**
 * Both ends of one connection without a network: the server's is a wire as any other, the client's is in a test's hands. Made by
 * `memory.ts` for each client that is let in.
 */

import { ABNORMAL, type CloseReason, protocolErrorCode, TooLarge } from "../../api/close-codes.js";
import type { ConnectionId, TransportName } from "../../api/connection.js";
import type { Clock } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import type { CarriedLink, MemoryClientEnd, MemoryClientEvents, ToClient, ToServer, Written } from "./carried.js";
import { MemoryPipe } from "./line.js";

/** As it would come out of a socket: a copy of bytes, and of text what UTF-8 can say of it. */
function asSent(data: string | Buffer): string | Buffer {
  if (typeof data !== "string") return Buffer.from(data);
  return LONE_SURROGATE.test(data) ? Buffer.from(data).toString() : data;
}
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The end of a connection that no close frame of the client has ended. */
const CUT_OFF: CloseReason = { code: ABNORMAL, reason: "" };
/** A client that is not stalled reads everything. */
const ALL = Number.POSITIVE_INFINITY;
/** What a frame of control has beside its payload (RFC 6455 section 5.5). */
const CONTROL_HEADER_BYTES = 2;

/** Both ends of one connection. The server sees it as a {@link Transport}, a test through `client`. */
export class MemoryLink implements Transport, CarriedLink {
  readonly name: TransportName = "memory";
  readonly isDelayed = false;
  readonly client: MemoryClientEnd;
  readonly #clock: Clock;
  readonly #maxPayloadBytes: number;
  readonly toServer: MemoryPipe<ToServer>;
  readonly toClient: MemoryPipe<ToClient>;
  #id = "" as ConnectionId;
  #peer: TransportListener | undefined;
  #events: MemoryClientEvents | undefined;
  #isOpen = true;
  #clientHasClosed = false;
  /** What the server is told of the end once it has answered the client's close frame, or a message that is too large. */
  #concluded: CloseReason | undefined;
  #untaken = 0;
  /** How many bytes the client still reads, and how many it has read of the frame that comes next. */
  #window = ALL;
  #readOfFrame = 0;
  /** Bytes of messages on their way to the server. */
  #unread = 0;
  /** What has come from the client; counted in deliveries. */
  #arrived = 0;

  constructor(clock: Clock, { maxPayloadBytes }: Admission, events: MemoryClientEvents, isCarried: boolean) {
    this.#clock = clock;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#events = events;
    this.toServer = new MemoryPipe(clock, (item) => this.#atServer(item), isCarried);
    this.toClient = new MemoryPipe(clock, (item) => this.#atClient(item), isCarried);
    this.client = this.#clientEnd();
  }

  get id(): ConnectionId {
    return this.#id;
  }

  attach(peer: TransportListener): void {
    this.#peer = peer;
    this.#id = peer.id;
  }

  get isClientOpen(): boolean {
    return this.#events !== undefined;
  }

  get isOver(): boolean {
    return this.#peer === undefined && this.#events === undefined;
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
    const untaken = this.#window === ALL ? 0 : frames.reduce((sum, frame) => sum + frame.wire.length, 0);
    this.#untaken += untaken;
    this.toClient.push({ type: "frames", frames, next: 0, untaken });
    return true;
  }

  ping(data: Buffer): void {
    if (this.#isOpen) this.toClient.push({ type: "ping", data });
  }

  pong(data: Buffer): void {
    if (this.#isOpen) this.toClient.push({ type: "pong", data });
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.toClient.push({ type: "close", code, reason });
    if (this.#concluded !== undefined) this.#goneSoon(this.#concluded);
  }

  terminate(): void {
    this.#isOpen = false;
    this.toServer.cut();
    if (this.#window < ALL) this.#clientLost();
    else this.toClient.push({ type: "cut" });
    this.#goneSoon();
  }

  pause(): void {
    this.toServer.hold();
  }

  resume(): void {
    this.toServer.release();
  }

  #clientEnd(): MemoryClientEnd {
    const unreadBytes = (): number => this.#unread;
    const isCaughtUp = (): boolean => this.toClient.isEmpty;
    return {
      get unreadBytes() {
        return unreadBytes();
      },
      get isCaughtUp() {
        return isCaughtUp();
      },
      send: (data) => this.#send(asSent(data)),
      ping: (data) => this.#fromClient({ type: "ping", data }),
      close: (code, reason) => {
        const isFirst = this.#fromClient({ type: "close", code, reason });
        this.#clientHasClosed = true;
        return isFirst;
      },
      end: () => this.#leave({ type: "end" }),
      fail: (error) => this.#leave({ type: "reset", error }),
      reset: (error) => {
        if (this.#events !== undefined) this.toServer.clear();
        this.#leave({ type: "reset", error });
      },
      vanish: () => this.#vanish(),
      stall: () => this.#open(0),
      read: (bytes) => this.#open((this.#window === ALL ? 0 : this.#window) + bytes),
      resume: () => this.#open(ALL),
      delay: (ms) => {
        this.toServer.latencyMs = ms;
        this.toClient.latencyMs = ms;
      },
    };
  }

  /** The client's socket has ended: it reads nothing more, and the server is told of it after what was sent before. */
  #leave(how: ToServer): void {
    if (this.#events !== undefined) this.toServer.push(how);
    this.#clientLost();
  }

  /** Without a word to the server: what that writes is never taken. */
  #vanish(): void {
    if (this.#events === undefined) return;
    this.#clientLost();
    this.#window = 0;
  }

  /** Lets the client read so many bytes. */
  #open(window: number): void {
    if (this.#events === undefined) return;
    this.#window = window;
    if (window === 0) this.toClient.hold();
    else this.toClient.release();
  }

  #send(data: string | Buffer): boolean {
    const isOnItsWay = this.#fromClient({ type: "message", data });
    if (isOnItsWay) this.#unread += Buffer.byteLength(data);
    return isOnItsWay;
  }

  #fromClient(item: ToServer): boolean {
    if (this.#events === undefined || this.#clientHasClosed) return false;
    this.toServer.push(item);
    return true;
  }

  #atServer(item: ToServer): boolean {
    this.#arrived++;
    this.#serverGets(item);
    return true;
  }

  #serverGets(item: ToServer): void {
    switch (item.type) {
      case "message":
        this.#message(item.data);
        return;
      case "ping":
        if (this.#isOpen) this.toClient.push({ type: "pong", data: item.data });
        this.#peer?.pinged(item.data);
        return;
      case "pong":
        this.#peer?.ponged(item.data);
        return;
      case "close":
        if (this.#isOpen) this.#conclude(item, item, false);
        else this.#gone(item.code, item.reason);
        return;
      case "end":
        this.#gone(ABNORMAL, "");
        return;
      case "reset":
        this.#isOpen = false;
        this.#peer?.failed(item.error);
        this.#gone(ABNORMAL, "");
    }
  }

  #message(data: string | Buffer): void {
    const bytes = Buffer.byteLength(data);
    this.#unread -= bytes;
    if (bytes > this.#maxPayloadBytes) this.#refuseMessage();
    else this.#peer?.message(data, bytes);
  }

  /** As `ws` does: the error, a close frame with the code for it, and nothing more is read. */
  #refuseMessage(): void {
    const error = new TooLarge("Max payload size exceeded");
    this.toServer.cut();
    this.#conclude({ code: protocolErrorCode(error) ?? ABNORMAL, reason: "" }, CUT_OFF, true);
    this.#peer?.failed(error);
  }

  /** @param end what the server is told once it has answered */
  #conclude({ code, reason }: CloseReason, end: CloseReason, isFault: boolean): void {
    this.#concluded = { code: end.code, reason: end.reason };
    this.#peer?.concluded(code, reason, isFault);
  }

  /** @returns whether it was read whole */
  #atClient(item: ToClient): boolean {
    if (item.type === "frames") return this.#readFrames(item);
    if (item.type !== "cut" && !this.#reads(CONTROL_HEADER_BYTES + controlBytes(item))) return false;
    this.#clientGets(item);
    return true;
  }

  #readFrames(written: Written): boolean {
    for (; written.next < written.frames.length; written.next++) {
      const frame = written.frames[written.next];
      if (frame === undefined || this.#events === undefined) return true;
      if (!this.#reads(frame.wire.length, written)) return false;
      this.#events.message(asSent(frame.data));
    }
    this.#taken(written.untaken);
    return true;
  }

  /** @returns whether the client has read so many bytes of the frame that comes next: all of it */
  #reads(bytes: number, written?: Written): boolean {
    if (this.#window === ALL) return true;
    const missing = bytes - this.#readOfFrame;
    const read = Math.min(missing, this.#window);
    this.#window -= read;
    const isWhole = read === missing;
    this.#readOfFrame = isWhole ? 0 : this.#readOfFrame + read;
    if (this.#window === 0) this.toClient.hold();
    if (written !== undefined) {
      const taken = Math.min(read, written.untaken);
      written.untaken -= taken;
      this.#taken(taken);
    }
    return isWhole;
  }

  #clientGets(item: Exclude<ToClient, Written>): void {
    const events = this.#events;
    if (events === undefined) return;
    switch (item.type) {
      case "ping":
        this.toServer.push({ type: "pong", data: item.data });
        return;
      case "pong":
        events.pong(item.data);
        return;
      case "close":
        // The peer of a close frame answers it (RFC 6455 section 5.5.1), with the code it got, unless its own has come first.
        if (!this.#clientHasClosed) this.toServer.push({ type: "close", code: item.code, reason: item.reason });
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
    this.toClient.cut();
    const events = this.#events;
    this.#events = undefined;
    events?.closed(ABNORMAL, "");
  }

  #goneSoon({ code, reason } = CUT_OFF): void {
    this.#clock.soon(() => this.#gone(code, reason));
  }

  #gone(code: number, reason: string): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#isOpen = false;
    this.toServer.cut();
    peer?.onTransportClosed(code, reason);
  }
}

/** The payload of a control frame: a close frame has its code in it. */
function controlBytes(item: Exclude<ToClient, Written | { readonly type: "cut" }>): number {
  return item.type === "close" ? 2 + Buffer.byteLength(item.reason) : item.data.length;
}
