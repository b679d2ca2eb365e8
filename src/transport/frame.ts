/**
 * The encoder of frames: a message becomes a single frame (RFC 6455 section 5.2), unmasked and unfragmented. The bus makes a frame once,
 * and every recipient shares the frame. A text is encoded when the text is written, alone or among the other frames of a turn.
 */
import { constants, deflateRawSync } from "node:zlib";
import type { Data } from "../api/connection.js";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";

/** A message as the transports carry it: encoded once, shared by every recipient. */
export interface Frame {
  /** The message as the user gave it: the string, or a copy of the bytes. */
  readonly data: string | Buffer;
  /** The bytes on a WebSocket (RFC 6455 section 5.2); of a text, made when somebody needs the bytes by themselves. */
  readonly wire: Buffer;
  /** The length of `wire`. */
  readonly wireBytes: number;
  /** The number of bytes of the message itself, at the end of `wire`. */
  readonly payloadBytes: number;
  /** The frame as a list, shared by all senders with nothing else to send. MUST NOT change. */
  readonly alone: readonly Frame[];
  /** Whether the text begins with `~`, as control frames of sessions do. */
  readonly isMarked: boolean;
  /** The bytes for sockets with permessage-deflate (RFC 7692); made when the first such socket needs them. */
  deflated?: Buffer;
  /** The frame for peers with sessions, if the text begins with `~`; made when the first such peer needs the frame. */
  escaped?: Frame;
  /** The bytes of `wire`, a character for each, if the frame is better joined with others as a string: a short text of ASCII. */
  readonly characters: string | undefined;
  /** Writes the bytes of `wire` into a longer list of bytes. */
  copyTo(target: Buffer, at: number): void;
}

const TILDE = 0x7e;
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
/** Lengths of 126 and more take 2 more bytes in the header, lengths of 65,536 and more take 8. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** A control frame's payload is at most this long (RFC 6455 section 5.5). */
const MAX_CONTROL_BYTES = 125;

/** Encoding a text takes a call out of JavaScript: above this length the copies of a string take longer. */
const CHARACTERS_BELOW_BYTES = 512;

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < LENGTH_16) return 2;
  return payloadBytes < 65_536 ? 4 : 10;
}

function writeHeader(target: Buffer, at: number, opcode: number, payloadBytes: number): void {
  target[at] = opcode;
  if (payloadBytes < LENGTH_16) target[at + 1] = payloadBytes;
  else if (payloadBytes < 65_536) {
    target[at + 1] = LENGTH_16;
    target.writeUInt16BE(payloadBytes, at + 2);
  } else {
    target[at + 1] = LENGTH_64;
    target.writeUIntBE(0, at + 2, 2);
    target.writeUIntBE(payloadBytes, at + 4, 6);
  }
}

/** The header of a short text, a character for each byte. */
function headerCharacters(payloadBytes: number): string {
  if (payloadBytes < LENGTH_16) return SHORT_HEADERS[payloadBytes] as string;
  return String.fromCharCode(FIN_TEXT, LENGTH_16, payloadBytes >> 8, payloadBytes & 0xff);
}

const SHORT_HEADERS: readonly string[] = Array.from({ length: LENGTH_16 }, (_, length) =>
  String.fromCharCode(FIN_TEXT, length),
);

function allocate(opcode: number, header: number, payloadBytes: number): Buffer {
  const wire = Buffer.allocUnsafe(header + payloadBytes);
  writeHeader(wire, 0, opcode, payloadBytes);
  return wire;
}

/** The bytes of a binary message, without a copy; throws `BAD_DATA` for anything that is not bytes. */
function bytesOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new SendallError("BAD_DATA", `message: expected a string, a Uint8Array or an ArrayBuffer, got ${show(data)}`);
}

/** Encoded late: a text that goes to a single socket with others of its turn is written among the others, without bytes of its own. */
class TextFrame implements Frame {
  readonly data: string;
  readonly payloadBytes: number;
  readonly wireBytes: number;
  declare deflated?: Buffer;
  declare escaped?: Frame;
  #wire: Buffer | undefined;
  #alone: readonly Frame[] | undefined;

  constructor(data: string) {
    this.data = data;
    this.payloadBytes = Buffer.byteLength(data);
    this.wireBytes = headerBytes(this.payloadBytes) + this.payloadBytes;
  }

  get isMarked(): boolean {
    return this.data.charCodeAt(0) === TILDE;
  }

  get alone(): readonly Frame[] {
    this.#alone ??= [this];
    return this.#alone;
  }

  get wire(): Buffer {
    if (this.#wire === undefined) {
      this.#wire = Buffer.allocUnsafe(this.wireBytes);
      this.#write(this.#wire, 0);
    }
    return this.#wire;
  }

  get characters(): string | undefined {
    const { data, payloadBytes } = this;
    if (payloadBytes !== data.length || payloadBytes >= CHARACTERS_BELOW_BYTES) return undefined;
    return headerCharacters(payloadBytes) + data;
  }

  copyTo(target: Buffer, at: number): void {
    if (this.#wire === undefined) this.#write(target, at);
    else target.set(this.#wire, at);
  }

  #write(target: Buffer, at: number): void {
    writeHeader(target, at, FIN_TEXT, this.payloadBytes);
    // A byte for each character means ASCII, which is the same in both encodings.
    const isAscii = this.payloadBytes === this.data.length;
    target.write(this.data, at + this.wireBytes - this.payloadBytes, isAscii ? "latin1" : "utf8");
  }
}

class BinaryFrame implements Frame {
  readonly data: Buffer;
  readonly wire: Buffer;
  readonly isMarked = false;
  readonly characters = undefined;
  declare deflated?: Buffer;
  #alone: readonly Frame[] | undefined;

  constructor(bytes: Uint8Array) {
    const header = headerBytes(bytes.length);
    this.wire = allocate(FIN_BINARY, header, bytes.length);
    this.wire.set(bytes, header);
    this.data = this.wire.subarray(header);
  }

  get alone(): readonly Frame[] {
    this.#alone ??= [this];
    return this.#alone;
  }

  get payloadBytes(): number {
    return this.data.length;
  }

  get wireBytes(): number {
    return this.wire.length;
  }

  copyTo(target: Buffer, at: number): void {
    target.set(this.wire, at);
  }
}

/** Encodes a message. The frame has a copy of the bytes, so the caller may change the bytes afterwards. */
export function encodeFrame(data: Data): Frame {
  return typeof data === "string" ? new TextFrame(data) : new BinaryFrame(bytesOf(data));
}

/** Compressing smaller messages gains nothing. */
const DEFLATE_FROM_BYTES = 1_024;
/** The first reserved bit marks a compressed message (RFC 7692 section 6). */
const RSV1 = 0x40;
/** The bytes that end a flushed block, and are left out of the frame (RFC 7692 section 7.2.1). */
const FLUSH_TAIL_BYTES = 4;

/** How the sockets of a concatenator get frames. */
export interface Wire {
  of(frame: Frame): Buffer;
  bytes(frame: Frame): number;
  characters(frame: Frame): string | undefined;
  copy(frame: Frame, target: Buffer, at: number): void;
}

/** For sockets without compression. */
export const plainWire: Wire = {
  of: (frame) => frame.wire,
  bytes: (frame) => frame.wireBytes,
  characters: (frame) => frame.characters,
  copy: (frame, target, at) => frame.copyTo(target, at),
};

/**
 * For sockets with permessage-deflate and a 15-bit window: compressed once, without context takeover, so that every such socket can share
 * the bytes. Synchronous, since the order of frames is the order of writes.
 */
export const deflatedWire: Wire = {
  of: deflatedOf,
  bytes: (frame) => deflatedOf(frame).length,
  // Whatever has characters is too short to be compressed.
  characters: (frame) => frame.characters,
  copy: (frame, target, at) => target.set(deflatedOf(frame), at),
};

function deflatedOf(frame: Frame): Buffer {
  if (frame.payloadBytes < DEFLATE_FROM_BYTES) return frame.wire;
  frame.deflated ??= deflate(frame);
  return frame.deflated;
}

function deflate({ wire, payloadBytes }: Frame): Buffer {
  const payload = wire.subarray(wire.length - payloadBytes);
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -FLUSH_TAIL_BYTES);
  if (deflated.length >= payloadBytes) return wire;
  const header = headerBytes(deflated.length);
  const frame = allocate((wire[0] ?? FIN_TEXT) | RSV1, header, deflated.length);
  frame.set(deflated, header);
  return frame;
}

/** The payload of a ping; throws `BAD_DATA` for data that is neither a string nor bytes, or longer than 125 bytes. */
export function controlPayload(data: Data): Buffer {
  const payload = typeof data === "string" ? Buffer.from(data) : Buffer.from(bytesOf(data));
  if (payload.length > MAX_CONTROL_BYTES)
    throw new SendallError("BAD_DATA", `ping: expected at most ${MAX_CONTROL_BYTES} bytes, got ${payload.length}`);
  return payload;
}
