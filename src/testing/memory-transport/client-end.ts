/**
 * The client's end of a connection in memory, driven by a test: answers pings and close frames as a browser does, and can stall, read
 * in part, fail or vanish. `link.ts` makes one for each connection; its life ends with the call of `onClosed`.
 */
import { ABNORMAL } from "../../api/close-codes.js";
import type { ClientEnd, ClientEndListener, FrameBatch, Reader, StepClock, ToClient, ToServer } from "./contracts.js";
import { MemoryPipe } from "./pipe.js";

/**
 * A message as a socket would deliver it: bytes are copied, and a lone surrogate, which UTF-8 cannot encode, becomes U+FFFD.
 * @param bytes the length of the message in UTF-8
 */
function asSent(data: string | Buffer, bytes: number): string | Buffer {
  if (typeof data !== "string") return Buffer.from(data);
  // A byte for each character means ASCII.
  return bytes !== data.length && LONE_SURROGATE.test(data) ? Buffer.from(data).toString() : data;
}
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The bytes of a control frame beside the payload (RFC 6455 section 5.5). */
const CONTROL_HEADER_BYTES = 2;

export interface MemoryClientEndParts {
  readonly clock: StepClock;
  readonly isScheduled: boolean;
  readonly toServer: MemoryPipe<ToServer>;
  readonly listener: ClientEndListener;
  /** Told how many untaken bytes the client has read. */
  readonly onTaken: (bytes: number) => void;
}

export class MemoryClientEnd implements ClientEnd, Reader<ToClient> {
  /** Absent once the end is closed. */
  #listener: ClientEndListener | undefined;
  /** How many more bytes the client reads; absent while the client reads everything. */
  #windowBytes: number | undefined;
  framesRead = 0;
  readonly toClient: MemoryPipe<ToClient>;
  readonly #toServer: MemoryPipe<ToServer>;
  readonly #onTaken: (bytes: number) => void;
  #hasSentClose = false;
  #hasVanished = false;
  fault: ClientEnd["fault"];
  /** How much of the next frame the client has read. */
  #partialBytes = 0;
  #unreadBytes = 0;

  constructor({ clock, isScheduled, toServer, listener, onTaken }: MemoryClientEndParts) {
    this.toClient = new MemoryPipe(clock, this, isScheduled);
    this.#toServer = toServer;
    this.#listener = listener;
    this.#onTaken = onTaken;
  }

  get isOpen(): boolean {
    return this.#listener !== undefined;
  }

  get hasVanished(): boolean {
    return this.#hasVanished;
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  get isCaughtUp(): boolean {
    return this.toClient.isEmpty;
  }

  send(message: string | Buffer): boolean {
    const bytes = Buffer.byteLength(message);
    const isOnItsWay = this.#push({ type: "message", data: asSent(message, bytes) });
    if (isOnItsWay) this.#unreadBytes += bytes;
    return isOnItsWay;
  }

  ping(data: Buffer): boolean {
    return this.#push({ type: "ping", data });
  }

  close(code: number, reason: string): boolean {
    const isFirst = this.#push({ type: "close", code, reason });
    this.#hasSentClose = true;
    return isFirst;
  }

  disconnect(): void {
    this.#endSocket({ type: "end" });
  }

  fail(error: Error): void {
    this.#endSocket({ type: "reset", error });
  }

  reset(error: Error): void {
    if (this.isOpen) this.#toServer.clear();
    this.#endSocket({ type: "reset", error });
  }

  vanish(): void {
    if (!this.isOpen) return;
    this.#hasVanished = true;
    // What the server writes from now on is never taken.
    this.#limit(0);
    this.#toServer.terminate();
    this.toClient.terminate();
  }

  stall(): void {
    this.#setWindow(0);
  }

  read(bytes: number): void {
    this.#setWindow((this.#windowBytes ?? 0) + bytes);
  }

  resume(): void {
    this.#setWindow(undefined);
  }

  delay(ms: number): void {
    this.#toServer.latencyMs = ms;
    this.toClient.latencyMs = ms;
  }

  /** Told that the server has read messages of `bytes` bytes. */
  onServerRead(bytes: number): void {
    this.#unreadBytes -= bytes;
  }

  /** The socket has ended without a close frame of the server. */
  onConnectionLost(): void {
    this.toClient.terminate();
    this.#onClosed(ABNORMAL, "");
  }

  /** Takes an item that has arrived. @returns whether the client has read the item whole */
  receive(item: ToClient): boolean {
    if (item.type === "frames") return this.#readFrames(item);
    const isControlFrame = "data" in item || item.type === "close";
    if (isControlFrame && !this.#read(CONTROL_HEADER_BYTES + controlBytes(item))) return false;
    this.#receiveControl(item);
    return true;
  }

  /** The client reads nothing more; the server gets `item` after what was sent before. */
  #endSocket(item: ToServer): void {
    if (this.isOpen) this.#toServer.push(item);
    this.onConnectionLost();
  }

  #setWindow(bytes: number | undefined): void {
    if (!this.isOpen || this.#hasVanished) return;
    this.#limit(bytes);
    if (bytes === 0) this.toClient.pause();
    else this.toClient.resume();
  }

  #limit(bytes: number | undefined): void {
    this.#windowBytes = bytes;
    this.toClient.isLimited = bytes !== undefined;
  }

  #push(item: ToServer): boolean {
    if (!this.isOpen || this.#hasSentClose) return false;
    this.#toServer.push(item);
    return true;
  }

  #readFrames(batch: FrameBatch): boolean {
    const { frames } = batch;
    for (; this.framesRead < frames.length; this.framesRead++) {
      const frame = frames[this.framesRead];
      if (frame === undefined || this.#listener === undefined) return true;
      if (!this.#read(frame.wireBytes, batch)) return false;
      this.#listener.message(asSent(frame.data, frame.payloadBytes));
    }
    this.framesRead = 0;
    if (batch.untaken > 0) this.#onTaken(batch.untaken);
    return true;
  }

  /** @param bytes the length of the next frame @returns whether the client has read the frame whole */
  #read(bytes: number, batch?: FrameBatch): boolean {
    if (this.#windowBytes === undefined) return true;
    const missing = bytes - this.#partialBytes;
    const read = Math.min(missing, this.#windowBytes);
    this.#windowBytes -= read;
    const isWhole = read === missing;
    this.#partialBytes = isWhole ? 0 : this.#partialBytes + read;
    if (this.#windowBytes === 0) this.toClient.pause();
    if (batch !== undefined) {
      const taken = Math.min(read, batch.untaken);
      batch.untaken -= taken;
      this.#onTaken(taken);
    }
    return isWhole;
  }

  #receiveControl(item: Exclude<ToClient, FrameBatch>): void {
    if (!this.isOpen) return;
    switch (item.type) {
      case "opened":
        this.#listener?.opened?.();
        return;
      case "ping":
        this.#toServer.push({ type: "pong", data: item.data });
        return;
      case "pong":
        this.#listener?.pong(item.data);
        return;
      case "close":
        // The receiver of a close frame answers with the same code, unless its own close frame came first (RFC 6455 section 5.5.1).
        if (!this.#hasSentClose) this.#toServer.push({ type: "close", code: item.code, reason: item.reason });
        this.#onClosed(item.code, item.reason);
        return;
      case "refused":
      case "cut":
        this.onConnectionLost();
    }
  }

  #onClosed(code: number, reason: string): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClosed(code, reason);
  }
}

/** The length of a control frame's payload; a close frame's payload begins with the code. */
function controlBytes(item: Extract<ToClient, { readonly type: "ping" | "pong" | "close" }>): number {
  return item.type === "close" ? 2 + Buffer.byteLength(item.reason) : item.data.length;
}
