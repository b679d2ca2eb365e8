/**
 * A connection without a network. The server sees an ordinary {@link Transport}; a test drives the client's end (`client-end.ts`).
 * `memory-listener.ts` makes a link for each admitted client; its life ends when both ends are closed.
 */
import { ABNORMAL, type CloseReason, protocolErrorCode, TooLarge } from "../../api/close-codes.js";
import type { ConnectionId, TransportName } from "../../api/connection.js";
import type { Clock } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { MemoryClientEnd } from "./client-end.js";
import type { ClientEndListener, ScheduledLink, ToClient, ToServer } from "./contracts.js";
import { MemoryPipe } from "./pipe.js";

/** How a connection ends for the server without a close frame of the client. */
const LOST: CloseReason = { code: ABNORMAL, reason: "" };

export class MemoryLink implements Transport, ScheduledLink {
  readonly name: TransportName = "memory";
  readonly isDelayed = false;
  readonly client: MemoryClientEnd;
  readonly toServer: MemoryPipe<ToServer>;
  readonly toClient: MemoryPipe<ToClient>;
  readonly #clock: Clock;
  readonly #maxPayloadBytes: number;
  #id = "" as ConnectionId;
  /** Absent before `attach` and after the end. */
  #listener: TransportListener | undefined;
  #isOpen = true;
  /** How the connection ends for the server once the server has answered a close frame or a message that is too large. */
  #end: CloseReason | undefined;
  #untakenBytes = 0;
  #receivedItems = 0;

  constructor(clock: Clock, { maxPayloadBytes }: Admission, listener: ClientEndListener, isScheduled: boolean) {
    this.#clock = clock;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.toServer = new MemoryPipe(clock, (item) => this.#receive(item), isScheduled);
    this.toClient = new MemoryPipe(clock, (item) => this.client.receive(item), isScheduled);
    const { toServer, toClient } = this;
    this.client = new MemoryClientEnd({ toServer, toClient, listener, onTaken: (bytes) => this.#onTaken(bytes) });
  }

  get id(): ConnectionId {
    return this.#id;
  }

  attach(listener: TransportListener): void {
    this.#listener = listener;
    this.#id = listener.id;
  }

  get isClientOpen(): boolean {
    return this.client.isOpen;
  }

  get isOver(): boolean {
    return this.#listener === undefined && !this.client.isOpen;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Counts deliveries, not bytes: the heartbeat only checks whether the number has changed. */
  get bytesRead(): number {
    return this.#receivedItems;
  }

  get untakenBytes(): number {
    return this.#untakenBytes;
  }

  mustWait(): boolean {
    return this.#untakenBytes > 0;
  }

  write(frames: readonly Frame[]): boolean {
    if (!this.#isOpen) return false;
    const untaken = this.client.isUnlimited ? 0 : frames.reduce((sum, frame) => sum + frame.wire.length, 0);
    this.#untakenBytes += untaken;
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
    if (this.#end !== undefined) this.#onClosedSoon(this.#end);
  }

  terminate(): void {
    this.#isOpen = false;
    this.toServer.terminate();
    // A client that has vanished is told nothing: the pipe takes nothing any more.
    if (this.client.isUnlimited || this.client.hasVanished) this.toClient.push({ type: "cut" });
    else this.client.onConnectionLost();
    this.#onClosedSoon(LOST);
  }

  pause(): void {
    this.toServer.pause();
  }

  resume(): void {
    this.toServer.resume();
  }

  /** Takes an item that has arrived at the server. @returns `true`, since the server reads every item whole */
  #receive(item: ToServer): true {
    this.#receivedItems++;
    switch (item.type) {
      case "message":
        this.#receiveMessage(item.data);
        break;
      case "ping":
        if (this.#isOpen) this.toClient.push({ type: "pong", data: item.data });
        this.#listener?.pinged(item.data);
        break;
      case "pong":
        this.#listener?.ponged(item.data);
        break;
      case "close":
        if (this.#isOpen) this.#conclude(item, item, false);
        else this.#onClosed(item);
        break;
      case "end":
        this.#onClosed(LOST);
        break;
      case "reset":
        this.#isOpen = false;
        this.#listener?.failed(item.error);
        this.#onClosed(LOST);
    }
    return true;
  }

  #receiveMessage(data: string | Buffer): void {
    const bytes = Buffer.byteLength(data);
    this.client.onServerRead(bytes);
    if (bytes > this.#maxPayloadBytes) this.#refuseMessage();
    else this.#listener?.message(data, bytes);
  }

  /** As `ws` does: the error, a close frame with the code for the error, and nothing more is read. */
  #refuseMessage(): void {
    const error = new TooLarge("Max payload size exceeded");
    this.toServer.terminate();
    this.#conclude({ code: protocolErrorCode(error) ?? ABNORMAL, reason: "" }, LOST, true);
    this.#listener?.failed(error);
  }

  /** @param end how the connection ends for the server once the server has answered */
  #conclude({ code, reason }: CloseReason, end: CloseReason, isFault: boolean): void {
    this.#end = { code: end.code, reason: end.reason };
    this.#listener?.concluded(code, reason, isFault);
  }

  #onTaken(bytes: number): void {
    if (bytes === 0) return;
    this.#untakenBytes -= bytes;
    if (this.#untakenBytes === 0) this.#listener?.drained();
  }

  #onClosedSoon(end: CloseReason): void {
    this.#clock.soon(() => this.#onClosed(end));
  }

  #onClosed({ code, reason }: CloseReason): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#isOpen = false;
    this.toServer.terminate();
    listener?.onTransportClosed(code, reason);
  }
}
