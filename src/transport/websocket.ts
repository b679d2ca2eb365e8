/**
 * WebSockets over TCP: the only importer of `ws`. It shakes hands and reads frames with `ws` and writes its own, encoded
 * once by `frame.ts`, straight to the socket: in order with the pings and close frames of `ws`, several in one write.
 */
import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { isNativeError } from "node:util/types";
import { WebSocket, WebSocketServer } from "ws";
import { ABNORMAL, NO_CODE, TooManyParts } from "../api/close-codes.js";
import type { TransportName } from "../api/connection.js";
import { messageOf } from "../runtime/thrown.js";
import type { Frame } from "./frame.js";
import { deflatedWire } from "./frame.js";
import { CONTROL_HEADER_BYTES, Interlude } from "./interlude.js";
import { Overshoot } from "./overshoot.js";
import type { Admission, Transport, TransportListener } from "./transport.js";

/** A timer of Node counts in 32 bits. */
const LONGEST_MS = 2_147_483_647;

/** A binary message up to this long is copied out of the 64 KiB that the socket read, which it would keep alive. */
const COPY_BELOW_BYTES = 16_384;

/**
 * Frames that go to many sockets in the same turn are put together once: each of these sockets holds the same list. Lists
 * of more bytes are written as they are, since copying them costs more than handing over the parts.
 */
const JOIN_BELOW_BYTES = 262_144;

/** A peer that sends so many bytes of control frames and no whole message is watched from then on, at a small cost for each read. */
const WATCH_FROM_BYTES = 1_048_576;

/**
 * `ws` keeps each read of an unfinished frame, and one of a single byte takes a kilobyte of memory. Frames in reads of half a KiB
 * on average (the least that TCP sends of a long one), or in few reads, arrive; others close their connection with 1008.
 */
const MIN_READ_BYTES = 512;
const MIN_READS = 16_384;

function plainWire(frame: Frame): Buffer {
  return frame.wire;
}

class Socket extends WebSocket implements Transport {
  /** These are set before anything can arrive. */
  peer: TransportListener | undefined = undefined;
  raw: NetSocket | undefined = undefined;
  joiner: FrameConcatenator | undefined = undefined;
  /** Absent without compression. */
  overshoot: Overshoot | undefined = undefined;
  #isWaiting = false;
  /** The peer has closed, or broken a rule: nothing that still comes counts. */
  #hasConcluded = false;
  #pendingPongs = 0;
  /** Made for who pings, which no browser does. */
  #onPongTaken: (() => void) | undefined;
  /** Bytes of control frames since the last message. */
  #controlBytes = 0;
  #interlude: Interlude | undefined;

  get name(): TransportName {
    return "websocket";
  }

  get isOpen(): boolean {
    return this.readyState === WebSocket.OPEN;
  }

  get isDelayed(): boolean {
    return this.raw instanceof TLSSocket;
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
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      // Rare, so a closure made now is better than one kept for each socket.
      raw.once("drain", () => {
        this.#isWaiting = false;
        this.peer?.drained();
      });
    }
    return true;
  }

  override pause(): void {
    this.overshoot?.restart();
    super.pause();
  }

  write(frames: readonly Frame[]): boolean {
    const { raw, joiner } = this;
    const first = frames[0];
    // After a close frame nothing may follow (RFC 6455 section 5.5.1), and `ws` does not watch what goes past it.
    if (raw === undefined || joiner === undefined || first === undefined || !this.isOpen) return false;
    if (frames.length === 1) raw.write(joiner.wireOf(first));
    else writeAll(raw, joiner, frames);
    return true;
  }

  /**
   * Our verb, and what `ws` calls by itself when a close frame of the peer (then `data` is its bytes) or a broken frame (no `data`) has
   * come. `ws` would answer at once, past the replies to what came before: the connection answers, once these are written.
   */
  override close(code?: number, data?: string | Buffer): void {
    const isOurs = typeof data === "string";
    if (!isOurs && this.peer !== undefined && this.isOpen) {
      const isFault = code !== undefined && data === undefined;
      // `ws` reads on behind what we have refused: the first reason counts.
      if (!this.#hasConcluded) this.#conclude(code ?? NO_CODE, String(data ?? ""), isFault);
      return;
    }
    if (code === NO_CODE) super.close();
    else super.close(code, data);
    // No answer is read.
    if (this.#hasConcluded) this.raw?.end();
  }

  #conclude(code: number, reason: string, isFault: boolean): void {
    this.#hasConcluded = true;
    // `ws` would end our side with the peer's, and the replies with it: `close` ends it behind our close frame.
    this.raw?.removeAllListeners("end");
    this.peer?.concluded(code, reason, isFault);
  }

  /**
   * What `ws` tells of the socket, in place of listeners: their table would be 250 bytes of each silent connection, and a closure
   * among them would keep its request alive.
   */
  override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
    switch (event) {
      case "message":
        this.#onMessage(first, second === true);
        return true;
      case "ping":
        if (Buffer.isBuffer(first) && this.#takesControl(first)) this.#onPing(first);
        return true;
      case "pong":
        if (Buffer.isBuffer(first) && this.#takesControl(first)) this.peer?.ponged(first);
        return true;
      case "error":
        // Not `instanceof`: a test runner may have given us an Error of its own.
        this.peer?.failed(isNativeError(first) ? first : new Error(messageOf(first)));
        return true;
      case "close":
        this.#onClose(Number(first), String(second));
        return true;
      default:
        return false;
    }
  }

  #onMessage(data: unknown, isBinary: boolean): void {
    if (!Buffer.isBuffer(data) || this.#hasConcluded) return;
    if (this.#controlBytes > 0) this.#endInterlude();
    if (this.isPaused && this.overshoot?.add(data.length) === true) this.peer?.flooded();
    else if (!isBinary) this.peer?.message(data.toString(), data.length);
    else this.peer?.message(data.length < COPY_BELOW_BYTES ? Buffer.from(data) : data, data.length);
  }

  #takesControl(data: Buffer): boolean {
    if (this.#hasConcluded) return false;
    const bytes = CONTROL_HEADER_BYTES + data.length;
    this.#controlBytes += bytes;
    if (this.#controlBytes < WATCH_FROM_BYTES || this.raw === undefined) return true;
    this.#interlude ??= new Interlude(this.raw);
    if (!this.#interlude.add(bytes)) return true;
    this.#refuse(this.raw, new TooManyParts("Too many control frames between the fragments of a message"));
    return false;
  }

  #endInterlude(): void {
    this.#controlBytes = 0;
    this.#interlude?.end();
    this.#interlude = undefined;
  }

  /** As `ws` does with a frame that it refuses: the rest is thrown away, a close frame goes out, then the socket ends. */
  #refuse(raw: NetSocket, error: TooManyParts): void {
    raw.removeAllListeners("data");
    raw.resume();
    this.#conclude(error.closing.code, error.closing.reason, true);
    this.peer?.failed(error);
  }

  #onPing(data: Buffer): void {
    if (this.isOpen) this.#answer(data);
    this.peer?.pinged(data);
  }

  #answer(data: Buffer): void {
    if (this.#pendingPongs >= MAX_PENDING_PONGS) {
      this.terminate();
      return;
    }
    this.#pendingPongs++;
    this.#onPongTaken ??= () => {
      this.#pendingPongs--;
    };
    this.pong(data, false, this.#onPongTaken);
  }

  #onClose(code: number, reason: string): void {
    const { peer, raw } = this;
    this.peer = undefined;
    // `ws` keeps the errors of the socket (a reset, a broken pipe) to itself.
    if (code === ABNORMAL && raw?.errored) peer?.failed(raw.errored);
    peer?.onTransportClosed(code, reason);
  }
}

/** Remembers the last list of frames it has put together, since the next socket most often holds the same. */
class FrameConcatenator {
  readonly wireOf: (frame: Frame) => Buffer;
  #frames: readonly Frame[] = [];
  #bytes: Buffer | undefined;

  constructor(wireOf: (frame: Frame) => Buffer) {
    this.wireOf = wireOf;
  }

  /** @returns `undefined` if the frames are too large to be copied */
  join(frames: readonly Frame[]): Buffer | undefined {
    const same = this.#frames;
    if (frames.length === same.length && frames.every((frame, i) => frame === same[i])) return this.#bytes;
    const parts = frames.map(this.wireOf);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (bytes >= JOIN_BELOW_BYTES) return undefined;
    this.#frames = frames;
    this.#bytes = Buffer.concat(parts, bytes);
    return this.#bytes;
  }
}

function writeAll(raw: Duplex, joiner: FrameConcatenator, frames: readonly Frame[]): void {
  const joined = joiner.join(frames);
  if (joined !== undefined) {
    raw.write(joined);
    return;
  }
  raw.cork();
  for (const frame of frames) raw.write(joiner.wireOf(frame));
  raw.uncork();
}

/**
 * So many pongs may wait to be written, 2 MiB at most; a peer that pings on and reads none is then cut. One read of 64 KiB holds
 * up to 10,922 pings, and all of them are answered.
 */
const MAX_PENDING_PONGS = 16_384;

/** A parameter of permessage-deflate (RFC 7692 section 7.1). */
const PARAMETER =
  /^(?:(?:server|client)_no_context_takeover|(?:server|client)_max_window_bits(?:=(?:"(?:8|9|1[0-5])"|8|9|1[0-5]))?)$/;

/** Whether `ws` can answer the offer; one that it cannot make sense of it would refuse, with the whole upgrade. */
function isGoodOffer(header: string | undefined): boolean {
  const offers = header?.split(",").map((offer) => offer.split(";").map((part) => part.trim())) ?? [];
  return offers.every(
    ([name, ...parameters]) => name !== "permessage-deflate" || parameters.every((one) => PARAMETER.test(one)),
  );
}

/** What was agreed, as the answer's header says: frames are compressed once, for the window that nearly all have. */
function hasFullWindow(headers: readonly string[]): boolean {
  const agreed = headers.find((line) => line.startsWith("Sec-WebSocket-Extensions: permessage-deflate"));
  return agreed !== undefined && !/server_max_window_bits=(?!15)/.test(agreed);
}

/** Completes upgrades of one server. */
export class WebSocketTransport {
  /** `ws` takes its settings from the server that shook hands: one for each pair of limits, with compression and without. */
  readonly #compressing = new Map<string, WebSocketServer>();
  readonly #others = new Map<string, WebSocketServer>();
  readonly #plain = new FrameConcatenator(plainWire);
  readonly #deflated = new FrameConcatenator(deflatedWire);
  #admission: Admission | undefined;
  #isDeflated = false;

  /** Shakes hands; the connection is accepted within this call, before the first byte is read. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission): void {
    this.#admission = admission;
    this.#isDeflated = false;
    if (admission.compression && !isGoodOffer(request.headers["sec-websocket-extensions"]))
      delete request.headers["sec-websocket-extensions"];
    try {
      this.#serverFor(admission).handleUpgrade(request, socket, head, this.#opened);
    } finally {
      this.#admission = undefined;
    }
  }

  #serverFor({ maxPayloadBytes, maxFragments, compression }: Admission): WebSocketServer {
    const servers = compression ? this.#compressing : this.#others;
    const limits = `${maxPayloadBytes} ${maxFragments}`;
    const known = servers.get(limits);
    if (known !== undefined) return known;
    const options = {
      noServer: true,
      clientTracking: false,
      // No window size: with one, ws would refuse clients that ask for another.
      perMessageDeflate: compression && { serverNoContextTakeover: true },
      maxPayload: maxPayloadBytes,
      maxFragments,
      maxBufferedChunks: MIN_READS + Math.ceil(maxPayloadBytes / MIN_READ_BYTES),
      // Closing is timed by our clock, which reads what has come before it cuts anybody.
      closeTimeout: LONGEST_MS,
      // We answer pings: `ws` keeps a closure for each socket to do so.
      autoPong: false,
      // The gate has chosen.
      handleProtocols: () => this.#admission?.protocol || false,
      WebSocket: Socket,
    };
    const server = new WebSocketServer(options);
    if (compression)
      server.on("headers", (headers) => {
        this.#isDeflated = hasFullWindow(headers);
      });
    servers.set(limits, server);
    return server;
  }

  readonly #opened = (ws: WebSocket, request: IncomingMessage): void => {
    if (!(ws instanceof Socket)) return;
    ws.raw = request.socket;
    ws.joiner = this.#isDeflated ? this.#deflated : this.#plain;
    if (this.#admission !== undefined && ws.extensions !== "") ws.overshoot = new Overshoot(this.#admission);
    ws.peer = this.#admission?.accept(ws);
  };
}
