/**
 * Reads the frames that most messages are (RFC 6455 section 5.2): whole within what a socket has just received, masked, a message each,
 * not compressed. `ws` gets every other byte, in order, so whatever needs a state or a refusal is up to `ws`: parts of messages, control
 * frames, frames that are not there yet, and frames that break the protocol. A socket has a reader from its first byte on; a socket with
 * compression has none.
 */
import { isUtf8 } from "node:buffer";
import type { Socket as NetSocket } from "node:net";
import { FrameBounds } from "./frame-bounds.js";
import { unmask, viewOf } from "./unmask.js";

/** What the reader does with messages. */
export interface MessageTaker {
  readonly reading: ReadAhead | undefined;
  reader: FrameReader | undefined;
  /** @param bytes the length of the message on the wire */
  take(message: string | Buffer, bytes: number): void;
}

/** Shared by all sockets of a server with the same limits. */
export interface ReadAhead {
  readonly maxPayloadBytes: number;
  /** The listener of `ws`. */
  readonly rest: (this: NetSocket, chunk: Buffer) => void;
}

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const IS_MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const TAKER: unique symbol = Symbol("taker");
type ReadSocket = NetSocket & { [TAKER]?: MessageTaker };

/**
 * Puts a reader ahead of `ws`. To be called while `ws` takes the socket over, before anything is read.
 *
 * @param shared what was returned for earlier sockets, by the limit of a message
 * @returns `undefined` if `ws` does not read by a single listener: then `ws` reads everything
 */
export function readAhead(
  socket: NetSocket,
  taker: MessageTaker,
  maxPayloadBytes: number,
  shared: Map<number, ReadAhead> = new Map(),
): ReadAhead | undefined {
  const [rest, ...others] = socket.listeners("data");
  if (rest === undefined || others.length > 0) return undefined;
  (socket as ReadSocket)[TAKER] = taker;
  socket.on("data", onData);
  socket.removeListener("data", rest as ReadAhead["rest"]);
  const known = shared.get(maxPayloadBytes);
  if (known?.rest === rest) return known;
  const reading = { maxPayloadBytes, rest: rest as ReadAhead["rest"] };
  shared.set(maxPayloadBytes, reading);
  return reading;
}

function onData(this: ReadSocket, chunk: Buffer): void {
  const taker = this[TAKER];
  if (taker?.reading === undefined) return;
  taker.reader ??= new FrameReader(this, taker, taker.reading);
  taker.reader.read(chunk);
}

export class FrameReader {
  readonly #socket: NetSocket;
  readonly #taker: MessageTaker;
  readonly #reading: ReadAhead;
  /** Of what `ws` reads. */
  readonly #bounds = new FrameBounds();
  /** How many messages, pings and pongs `ws` has emitted. */
  #emitted = 0;
  #isOver = false;

  constructor(socket: NetSocket, taker: MessageTaker, reading: ReadAhead) {
    this.#socket = socket;
    this.#taker = taker;
    this.#reading = reading;
  }

  /** `ws` has read a message, a ping or a pong. */
  onEmitted(): void {
    this.#emitted++;
  }

  /** Nothing that still arrives is read: the peer has closed, or broken the protocol. */
  stop(): void {
    this.#isOver = true;
  }

  read(chunk: Buffer): void {
    let at = this.#bounds.next(chunk);
    /** Where the bytes begin that `ws` has yet to get. */
    let from = 0;
    const view = viewOf(chunk);
    while (at < chunk.length) {
      const end = this.#endOfMessage(chunk, at);
      if (end === 0) at = this.#bounds.skip(chunk, at);
      else {
        this.#pass(chunk, from, at);
        from = at;
        // `ws` emits at once what it reads, and tells of a refusal later: then the rest is up to `ws`, too.
        if (this.#emitted !== this.#bounds.completed || this.#isOver) break;
        if (this.#take(chunk, view, at, end)) from = at = end;
        else at = this.#bounds.skip(chunk, at);
      }
    }
    this.#pass(chunk, from, chunk.length);
  }

  #pass(chunk: Buffer, from: number, to: number): void {
    if (from === to || this.#isOver) return;
    this.#reading.rest.call(this.#socket, to - from === chunk.length ? chunk : chunk.subarray(from, to));
  }

  /** @returns where the frame ends that begins at `at`, or 0 if `ws` has to read the frame */
  #endOfMessage(chunk: Buffer, at: number): number {
    if (this.#bounds.isWithinMessage) return 0;
    const first = chunk[at];
    if (first !== FIN_TEXT && first !== FIN_BINARY) return 0;
    const second = chunk[at + 1] ?? 0;
    if (second < IS_MASKED) return 0;
    let length = second - IS_MASKED;
    let end = at + 6 + length;
    if (length === LENGTH_16) {
      if (at + 4 > chunk.length) return 0;
      length = chunk.readUInt16BE(at + 2);
      end = at + 8 + length;
    } else if (length === LENGTH_64) return 0;
    return end > chunk.length || length > this.#reading.maxPayloadBytes ? 0 : end;
  }

  /** @returns `false` if the text is not UTF-8, which `ws` refuses */
  #take(chunk: Buffer, view: DataView | undefined, at: number, end: number): boolean {
    const start = at + (chunk[at + 1] === IS_MASKED + LENGTH_16 ? 8 : 6);
    const bytes = end - start;
    const isAscii = unmask(chunk, view, start, end);
    if (chunk[at] === FIN_BINARY) this.#taker.take(chunk.subarray(start, end), bytes);
    else if (isAscii) this.#taker.take(chunk.toString("latin1", start, end), bytes);
    else if (isUtf8(chunk.subarray(start, end))) this.#taker.take(chunk.toString("utf8", start, end), bytes);
    else {
      unmask(chunk, view, start, end);
      return false;
    }
    return true;
  }
}
