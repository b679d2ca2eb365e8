/**
 * A connection without a network. The server sees an ordinary {@link Transport}; a test drives the client's end (`client-end.ts`).
 * `memory-listener.ts` makes a link for each admitted client; its life ends when both ends are closed.
 */
import { ABNORMAL, type CloseReason, protocolErrorCode, TooLarge } from "../../api/close-codes.js";
import type { ConnectionId, TransportName } from "../../api/connection.js";
import { isSessionName } from "../../api/session-protocol.js";
import type { Clock } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { MemoryClientEnd } from "./client-end.js";
import type {
  ClientEndListener,
  FrameBatch,
  Reader,
  ScheduledLink,
  StepClock,
  ToClient,
  ToServer,
} from "./contracts.js";
import { MemoryPipe } from "./pipe.js";

/** What a link is made of. */
export interface MemoryLinkParts {
  readonly clock: StepClock;
  readonly listener: ClientEndListener;
  readonly isScheduled: boolean;
  readonly caller: string;
  /** Called when the upgrade request of a dial has arrived. Absent for a client that is let in at once. */
  readonly onRequest?: () => void;
  /** Called when the server's end has closed. */
  readonly onServerClosed: () => void;
}

/** The next client most often gets the same frames. */
let lastBatch: FrameBatch = { type: "frames", frames: [], untaken: 0 };

/** The frames for a client that takes whatever is written. */
function takenBatchOf(frames: readonly Frame[]): FrameBatch {
  if (lastBatch.frames !== frames) lastBatch = { type: "frames", frames, untaken: 0 };
  return lastBatch;
}

/** How a connection ends for the server without a close frame of the client. */
const LOST: CloseReason = { code: ABNORMAL, reason: "" };

export class MemoryLink implements Transport, ScheduledLink, Reader<ToServer> {
  // First what each message needs: the fields of many links do not fit into the processor's cache.
  #isOpen = true;
  #untakenBytes = 0;
  readonly toClient: MemoryPipe<ToClient>;
  readonly client: MemoryClientEnd;
  readonly toServer: MemoryPipe<ToServer>;
  readonly caller: string;
  readonly #clock: Clock;
  readonly #onRequest: (() => void) | undefined;
  readonly #onServerClosed: () => void;
  /** Aborted when the client leaves before the server has decided. */
  readonly #left = new AbortController();
  #maxPayloadBytes = Number.POSITIVE_INFINITY;
  #id = "" as ConnectionId;
  /** Absent before `attach` and after the end. */
  #listener: TransportListener | undefined;
  /** The request of a dial has not been answered. */
  #isUndecided: boolean;
  #isSession = false;
  #isServerLost = false;
  /** How the connection ends for the server once the server has answered a close frame or a message that is too large. */
  #end: CloseReason | undefined;
  #receivedItems = 0;

  constructor({ clock, listener, isScheduled, caller, onRequest, onServerClosed }: MemoryLinkParts) {
    this.#clock = clock;
    this.caller = caller;
    this.#onRequest = onRequest;
    this.#onServerClosed = onServerClosed;
    this.#isUndecided = onRequest !== undefined;
    this.toServer = new MemoryPipe<ToServer>(clock, this, isScheduled);
    this.client = new MemoryClientEnd({
      clock,
      isScheduled,
      toServer: this.toServer,
      listener,
      onTaken: (bytes) => this.#onTaken(bytes),
    });
    this.toClient = this.client.toClient;
  }

  get name(): TransportName {
    return "memory";
  }

  get isDelayed(): boolean {
    return false;
  }

  get id(): ConnectionId {
    return this.#id;
  }

  /** Aborted when the client leaves before the server has decided. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  get isSession(): boolean {
    return this.#isSession;
  }

  attach(listener: TransportListener, { maxPayloadBytes, protocol }: Admission): void {
    this.#isSession = isSessionName(protocol);
    this.#isUndecided = false;
    this.#listener = listener;
    this.#id = listener.id;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** The server lets the client of a dial in: the answer goes before everything that the server writes. */
  open(): void {
    this.toClient.push({ type: "opened" });
  }

  /** The server does not let the client of a dial in. */
  refuse(): void {
    this.#isUndecided = false;
    this.#isOpen = false;
    this.toServer.terminate();
    this.toClient.push({ type: "refused" });
    this.#onServerClosed();
  }

  /** The server's process is killed: what the server has written arrives, then the client's socket ends. The server is told nothing. */
  onServerLost(): void {
    this.#isServerLost = true;
    this.#listener = undefined;
    this.#isUndecided = false;
    this.#isOpen = false;
    this.#cut();
  }

  get isServerLost(): boolean {
    return this.#isServerLost;
  }

  get isClientOpen(): boolean {
    return this.client.isOpen;
  }

  get isOver(): boolean {
    return !this.#isUndecided && this.#listener === undefined && !this.client.isOpen;
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
    const { toClient } = this;
    if (toClient.isLimited) {
      const untaken = frames.reduce((sum, frame) => sum + frame.wireBytes, 0);
      this.#untakenBytes += untaken;
      toClient.push({ type: "frames", frames, untaken });
    } else toClient.push(takenBatchOf(frames));
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
    this.#cut();
    this.#onClosedSoon(LOST);
  }

  pause(): void {
    this.toServer.pause();
  }

  resume(): void {
    this.toServer.resume();
  }

  /** Takes an item that has arrived at the server. @returns `true`, since the server reads every item whole */
  receive(item: ToServer): true {
    this.#receivedItems++;
    switch (item.type) {
      case "request":
        this.#onRequest?.();
        break;
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
        this.#left.abort();
        this.#onClosed(LOST);
        break;
      case "reset":
        this.#left.abort();
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

  #cut(): void {
    this.toServer.terminate();
    // A client that has vanished is told nothing: the pipe takes nothing any more.
    if (!this.toClient.isLimited || this.client.hasVanished) this.toClient.push({ type: "cut" });
    else this.client.onConnectionLost();
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
    this.#isUndecided = false;
    this.#isOpen = false;
    this.toServer.terminate();
    this.#onServerClosed();
    listener?.onTransportClosed(code, reason);
  }
}
