/**
 * WebSockets over TCP, on top of `ws`; on the server's side no other file imports `ws`. `ws` shakes hands and reads frames, except for the
 * frames that `frame-reader.ts` reads ahead of `ws`. Frames to send are encoded once by `frame.ts` and written straight to the TCP socket:
 * in order with the pings and close frames of `ws`, several frames per write. The network listener makes a `WebSocketTransport`; each
 * upgrade makes a `Socket`, which ends when `ws` emits "close".
 */
import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { isNativeError } from "node:util/types";
import { WebSocket, WebSocketServer } from "#ws";
import { ABNORMAL, NO_CODE, TooManyParts } from "../api/close-codes.js";
import type { TransportName } from "../api/connection.js";
import { messageOf } from "../runtime/thrown.js";
import { hasFullWindow, isValidOffer } from "./compression-offer.js";
import { CONTROL_HEADER_BYTES, ControlFrameBudget } from "./control-frame-budget.js";
import { isEncrypted } from "./encryption.js";
import { deflatedWire, type Frame, plainWire } from "./frame.js";
import { FrameConcatenator } from "./frame-concatenator.js";
import { type FrameReader, type MessageTaker, type ReadAhead, readAhead } from "./frame-reader.js";
import type { HandshakeRequest } from "./handshake-request.js";
import { Overshoot } from "./overshoot.js";
import { PendingPongs } from "./pending-pongs.js";
import { limitsOfReads } from "./read-limits.js";
import { HELD, STOPPED, WAITS_FOR_DRAIN } from "./socket-states.js";
import type { Admission, Transport, TransportListener } from "./transport.js";

/** A shorter binary message is copied out of the read of up to 64 KiB, which the message would otherwise keep alive. */
const COPY_BELOW_BYTES = 16_384;

/** A peer that has sent 1 MiB of control frames without a whole message gets a budget from then on, at a small cost for each read. */
const WATCH_FROM_BYTES = 1_048_576;

/** Node reads up to 2 MiB of a socket in a row: a flood of frames that no mailbox bounds would keep all others waiting. */
const MAX_UNQUEUED = 256;

/** The server's end of a WebSocket, from the upgrade until `ws` emits "close". */
class Socket extends WebSocket implements Transport, MessageTaker {
  // The public fields are set before any data can arrive.
  listener: TransportListener | undefined = undefined;
  raw: NetSocket | undefined = undefined;
  concatenator: FrameConcatenator | undefined = undefined;
  /** Absent without compression. */
  overshoot: Overshoot | undefined = undefined;
  /** Absent with compression. */
  reading: ReadAhead | undefined = undefined;
  reader: FrameReader | undefined = undefined;
  #states = 0;
  /** Frames since the last turn that crossed no mailbox. */
  #unqueued = 0;
  /** Made at the first ping of a peer; browsers never ping. */
  #pendingPongs: PendingPongs | undefined;
  /** Bytes of control frames since the last message. */
  #controlBytes = 0;
  #controlBudget: ControlFrameBudget | undefined;

  get name(): TransportName {
    return "websocket";
  }

  get isOpen(): boolean {
    return this.readyState === WebSocket.OPEN;
  }

  get isDelayed(): boolean {
    return isEncrypted(this.raw);
  }

  get bytesRead(): number {
    return this.raw?.bytesRead ?? 0;
  }

  get untakenBytes(): number {
    return this.raw?.writableLength ?? 0;
  }

  mustWait(): boolean {
    const { raw } = this;
    if (raw === undefined || !raw.writableNeedDrain) return false;
    if ((this.#states & WAITS_FOR_DRAIN) === 0) {
      this.#states |= WAITS_FOR_DRAIN;
      // Waiting is rare, so making a closure now is cheaper than keeping a closure for each socket.
      raw.once("drain", () => {
        this.#states &= ~WAITS_FOR_DRAIN;
        this.listener?.drained();
      });
    }
    return true;
  }

  override pause(): void {
    this.#states |= HELD;
    this.overshoot?.restart();
    super.pause();
  }

  override resume(): void {
    this.#states &= ~HELD;
    super.resume();
  }

  countUnqueued(): void {
    if (++this.#unqueued !== MAX_UNQUEUED) return;
    super.pause();
    setImmediate(() => {
      this.#unqueued = 0;
      if ((this.#states & HELD) === 0) super.resume();
    });
  }

  write(frames: readonly Frame[]): boolean {
    const { raw, concatenator } = this;
    // Nothing may follow a close frame (RFC 6455 section 5.5.1), and `ws` does not see the frames written here.
    if (raw === undefined || concatenator === undefined || !this.isOpen) return false;
    concatenator.writeAll(raw, frames);
    return true;
  }

  /**
   * Called by the connection, with a string as `data`; and by `ws` itself, after a close frame of the peer (then `data` has the reason's
   * bytes) or a broken frame (then without `data`). `ws` would answer at once, ahead of the replies to earlier messages: instead the
   * connection answers, after the replies are written.
   */
  override close(code?: number, data?: string | Buffer): void {
    const isOurs = typeof data === "string";
    if (!isOurs) this.reader?.stop();
    if (!isOurs && this.listener !== undefined && this.isOpen) {
      const isFault = code !== undefined && data === undefined;
      // `ws` goes on reading after a refused frame: the first reason counts.
      if (!this.hasStoppedReceiving) this.endReceiving(code ?? NO_CODE, String(data ?? ""), isFault);
      return;
    }
    if (code === NO_CODE) super.close();
    else super.close(code, data);
    // Nothing more is read, so there is no answer to wait for.
    if (this.hasStoppedReceiving) this.raw?.end();
  }

  private get hasStoppedReceiving(): boolean {
    return (this.#states & STOPPED) !== 0;
  }

  private endReceiving(code: number, reason: string, isFault: boolean): void {
    this.#states |= STOPPED;
    // At the peer's end of the stream `ws` would end this side too and lose the replies: `close` ends this side, after the close frame.
    this.raw?.removeAllListeners("end");
    this.listener?.concluded(code, reason, isFault);
  }

  /**
   * Receives the events of `ws` without a table of listeners, which would take 250 bytes of each silent connection; a closure among the
   * listeners would keep the connection's request alive.
   */
  override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
    switch (event) {
      case "message":
        this.onMessage(first, second === true);
        return true;
      case "ping":
        if (Buffer.isBuffer(first) && this.acceptsControlFrame(first)) this.onPing(first);
        return true;
      case "pong":
        if (Buffer.isBuffer(first) && this.acceptsControlFrame(first)) this.listener?.ponged(first);
        return true;
      case "error":
        // Not `instanceof`: a test runner may have replaced the global `Error`.
        this.listener?.failed(isNativeError(first) ? first : new Error(messageOf(first)));
        return true;
      case "close":
        this.onClose(Number(first), String(second));
        return true;
      default:
        return false;
    }
  }

  private onMessage(data: unknown, isBinary: boolean): void {
    this.reader?.onEmitted();
    if (!Buffer.isBuffer(data) || this.hasStoppedReceiving) return;
    if ((this.#states & HELD) !== 0 && this.overshoot?.add(data.length) === true) this.listener?.flooded();
    else this.take(isBinary ? data : data.toString(), data.length);
  }

  take(message: string | Buffer, bytes: number): void {
    if (this.hasStoppedReceiving) return;
    if (this.#controlBytes > 0) this.stopControlBudget();
    const isShared = typeof message !== "string" && bytes < COPY_BELOW_BYTES;
    this.listener?.message(isShared ? Buffer.from(message) : message, bytes);
  }

  private acceptsControlFrame(data: Buffer): boolean {
    this.reader?.onEmitted();
    if (this.hasStoppedReceiving) return false;
    this.countUnqueued();
    const bytes = CONTROL_HEADER_BYTES + data.length;
    this.#controlBytes += bytes;
    if (this.#controlBytes < WATCH_FROM_BYTES || this.raw === undefined) return true;
    this.#controlBudget ??= new ControlFrameBudget(this.raw);
    if (!this.#controlBudget.spend(bytes)) return true;
    this.failConnection(this.raw, new TooManyParts("Too many control frames between the fragments of a message"));
    return false;
  }

  private stopControlBudget(): void {
    this.#controlBytes = 0;
    this.#controlBudget?.stop();
    this.#controlBudget = undefined;
  }

  /**
   * Fails the connection (RFC 6455 section 7.1.7) as `ws` does after an invalid frame: the remaining input is discarded, a close frame
   * is sent, and the socket ends.
   */
  private failConnection(raw: NetSocket, error: TooManyParts): void {
    this.reader?.stop();
    raw.removeAllListeners("data");
    raw.resume();
    this.endReceiving(error.closing.code, error.closing.reason, true);
    this.listener?.failed(error);
  }

  private onPing(data: Buffer): void {
    if (this.isOpen) {
      this.#pendingPongs ??= new PendingPongs();
      if (this.#pendingPongs.add()) this.pong(data, false, this.#pendingPongs.onWritten);
      else this.terminate();
    }
    this.listener?.pinged(data);
  }

  private onClose(code: number, reason: string): void {
    const { listener, raw } = this;
    this.listener = undefined;
    // `ws` does not emit errors of the TCP socket (a reset, a broken pipe).
    if (code === ABNORMAL && raw?.errored) listener?.failed(raw.errored);
    listener?.onTransportClosed(code, reason);
  }
}

type HandshakeSettings = Pick<Admission, "maxPayloadBytes" | "maxFragments" | "compression">;

/** Completes the upgrades of a server. */
export class WebSocketTransport {
  /** `ws` reads settings from the `WebSocketServer` of the handshake: a server for each different settings of routes. */
  readonly #servers: (HandshakeSettings & { readonly server: WebSocketServer })[] = [];
  readonly #plainConcatenator = new FrameConcatenator(plainWire);
  readonly #deflatedConcatenator = new FrameConcatenator(deflatedWire);
  readonly #readings = new Map<number, ReadAhead>();
  #admission: Admission | undefined;
  #isDeflated = false;

  /** Shakes hands; the connection is accepted within the call, before the first byte is read. */
  upgrade(request: HandshakeRequest, socket: Duplex, head: Buffer, admission: Admission): void {
    this.#admission = admission;
    this.#isDeflated = false;
    if (admission.compression && !isValidOffer(request.headers["sec-websocket-extensions"]))
      delete request.headers["sec-websocket-extensions"];
    try {
      this.#serverFor(admission).handleUpgrade(request as IncomingMessage, socket, head, this.#onUpgraded);
    } finally {
      this.#admission = undefined;
    }
  }

  #serverFor({ maxPayloadBytes, maxFragments, compression }: HandshakeSettings): WebSocketServer {
    for (const known of this.#servers)
      if (known.maxPayloadBytes === maxPayloadBytes && known.maxFragments === maxFragments)
        if (known.compression === compression) return known.server;
    const options = {
      noServer: true,
      clientTracking: false,
      // Without a window size: `ws` would refuse clients that ask for a different size.
      perMessageDeflate: compression && { serverNoContextTakeover: true },
      ...limitsOfReads(maxPayloadBytes, maxFragments),
      // `onPing` answers pings: `ws` would keep a closure for each socket.
      autoPong: false,
      // The admission gate has chosen the subprotocol.
      handleProtocols: () => this.#admission?.protocol || false,
      WebSocket: Socket,
    };
    const server = new WebSocketServer(options);
    if (compression)
      server.on("headers", (headers) => {
        this.#isDeflated = hasFullWindow(headers);
      });
    this.#servers.push({ maxPayloadBytes, maxFragments, compression, server });
    return server;
  }

  readonly #onUpgraded = (ws: WebSocket, request: IncomingMessage): void => {
    if (!(ws instanceof Socket)) return;
    ws.raw = request.socket;
    ws.concatenator = this.#isDeflated ? this.#deflatedConcatenator : this.#plainConcatenator;
    const admission = this.#admission;
    if (admission === undefined) return;
    if (admission.compression && ws.extensions !== "") ws.overshoot = new Overshoot(admission);
    else ws.reading = readAhead(request.socket, ws, admission.maxPayloadBytes, this.#readings);
    ws.listener = admission.accept(ws);
  };
}
