/**
 * WebSockets over TCP: the only importer of `ws`. It shakes hands and reads frames with `ws` and writes its own, encoded
 * once by `frame.ts`, straight to the socket: in order with the pings and close frames of `ws`, several in one write.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { Admission, Peer, Wire } from "../contracts.js";
import type { Frame, TransportName } from "../events.js";

export interface WebSocketSettings {
  readonly closeTimeoutMs: number;
}

/** A binary message up to this long is copied out of the 64 KiB that the socket read, which it would keep alive. */
const COPY_BELOW_BYTES = 16_384;

/**
 * Frames that go to many sockets in the same turn are put together once: each of these sockets holds the same list. Lists
 * of more bytes are written as they are, since copying them costs more than handing over the parts.
 */
const JOIN_BELOW_BYTES = 262_144;

class Socket extends WebSocket implements Wire {
  /** Both are set before anything can arrive. */
  peer: Peer | undefined = undefined;
  raw: Duplex | undefined = undefined;
  joiner: Joiner | undefined = undefined;
  #isWaiting = false;

  get transport(): TransportName {
    return "websocket";
  }

  get isOpen(): boolean {
    return this.readyState === WebSocket.OPEN;
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

  write(frames: readonly Frame[]): boolean {
    const { raw } = this;
    const first = frames[0];
    // After a close frame nothing may follow (RFC 6455 section 5.5.1), and `ws` does not watch what goes past it.
    if (raw === undefined || first === undefined || !this.isOpen) return false;
    if (frames.length === 1) raw.write(first.wire);
    else this.#writeAll(raw, frames);
    return true;
  }

  #writeAll(raw: Duplex, frames: readonly Frame[]): void {
    const joined = this.joiner?.join(frames);
    if (joined !== undefined) {
      raw.write(joined);
      return;
    }
    raw.cork();
    for (const frame of frames) raw.write(frame.wire);
    raw.uncork();
  }
}

/** Remembers the last list of frames it has put together, since the next socket most often holds the same. */
class Joiner {
  #frames: readonly Frame[] = [];
  #bytes: Buffer | undefined;

  /** @returns `undefined` if the frames are too large to be copied */
  join(frames: readonly Frame[]): Buffer | undefined {
    const same = this.#frames;
    if (frames.length === same.length && frames.every((frame, i) => frame === same[i])) return this.#bytes;
    const bytes = frames.reduce((sum, frame) => sum + frame.wire.length, 0);
    if (bytes >= JOIN_BELOW_BYTES) return undefined;
    this.#frames = frames;
    this.#bytes = Buffer.concat(
      frames.map((frame) => frame.wire),
      bytes,
    );
    return this.#bytes;
  }
}

// The listeners are shared and named, and reach what they need by `this`: a closure for each socket would keep its request
// alive for as long as the connection.
function onMessage(this: WebSocket, data: Buffer | ArrayBuffer | Buffer[], isBinary: boolean): void {
  if (!(this instanceof Socket) || !Buffer.isBuffer(data)) return;
  if (!isBinary) this.peer?.message(data.toString(), data.length);
  else this.peer?.message(data.length < COPY_BELOW_BYTES ? Buffer.from(data) : data, data.length);
}

function onPong(this: WebSocket): void {
  if (this instanceof Socket) this.peer?.pong();
}

function onError(this: WebSocket, error: Error): void {
  if (this instanceof Socket) this.peer?.failed(error);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  if (!(this instanceof Socket)) return;
  const { peer } = this;
  this.peer = undefined;
  peer?.gone(code, reason.toString());
}

/** Completes upgrades of one server. */
export class WebSocketTransport {
  readonly #settings: WebSocketSettings;
  /** `ws` takes the limit from the server that shook hands: one for each limit. */
  readonly #servers = new Map<number, WebSocketServer>();
  readonly #joiner = new Joiner();
  #admission: Admission | undefined;

  constructor(settings: WebSocketSettings) {
    this.#settings = settings;
  }

  /** Shakes hands; the connection is accepted within this call, before the first byte is read. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission): void {
    this.#admission = admission;
    try {
      this.#serverFor(admission.maxPayloadBytes).handleUpgrade(request, socket, head, this.#opened);
    } finally {
      this.#admission = undefined;
    }
  }

  #serverFor(maxPayload: number): WebSocketServer {
    const known = this.#servers.get(maxPayload);
    if (known !== undefined) return known;
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload,
      // For a peer that asked to close and then stays; our own closing is timed by our clock.
      closeTimeout: this.#settings.closeTimeoutMs,
      // The gate has chosen.
      handleProtocols: () => this.#admission?.protocol || false,
      WebSocket: Socket,
    };
    const server = new WebSocketServer(options);
    this.#servers.set(maxPayload, server);
    return server;
  }

  readonly #opened = (ws: WebSocket, request: IncomingMessage): void => {
    if (!(ws instanceof Socket)) return;
    const raw = request.socket;
    ws.raw = raw;
    ws.joiner = this.#joiner;
    ws.peer = this.#admission?.accept(ws);
    ws.on("message", onMessage);
    ws.on("pong", onPong);
    ws.on("error", onError);
    ws.on("close", onClose);
  };
}
