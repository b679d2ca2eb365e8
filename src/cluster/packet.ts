/**
 * The format of the packets between nodes: a header with the sender and the sequence number, then one envelope for each message. The
 * sender and the receiver of the relay use the functions here. Numbers are big-endian.
 *
 * ```
 * header    "SA" · version 1 · node 6 · stream 4 · number of the first envelope 6
 * envelope  flags 1 · payload length 4 · [length 1 · id] · [length 2 · scope] · [length 4 · rooms as JSON] · [extension] · payload
 * extension length of the bytes 4 · kind 1 · bytes
 * ```
 *
 * Messages between the nodes themselves travel as extensions, and kept messages with an extension beside the payload. A node skips an envelope with an extension of an unknown kind, counts the
 * envelope as received, and reads on. A packet with an unknown flag is garbage, for nodes of before extensions as well: what travels
 * as an extension has packets of its own, so that such nodes lose no message of a user.
 */
import { bufferOf } from "../runtime/buffer-of.js";

/** Packets of other versions are rejected. */
export const VERSION = 1;

/** "SA". */
const [MAGIC_0, MAGIC_1] = [0x53, 0x41];
/** Where the header has the node, and how long the node is in bytes. */
const NODE_AT = 3;
const NODE_BYTES = 6;

const HEADER_BYTES = 19;
/** The flags of an envelope: whether the payload is binary, and which of the optional fields follow. */
const BINARY = 1;
const SOURCE = 2;
const TARGET = 4;
const ROOMS = 8;
const EXTENSION = 16;
const KNOWN_FLAGS = BINARY | SOURCE | TARGET | ROOMS | EXTENSION;
/** The flags and the payload length. */
const FIXED_BYTES = 5;

/** The receivers of a message, as far as the subject leaves open. */
export interface EnvelopeAddress {
  /** The connection that a broadcast leaves out. */
  readonly source?: string | undefined;
  /** The connection that a unicast is for. */
  readonly target?: string | undefined;
  /** The scope of the target; `""` is any route. */
  readonly scope?: string | undefined;
  /** The message is for the members of any of the rooms. Absent: for every member that the subject stands for. */
  readonly rooms?: readonly string[] | undefined;
}

/** A message between the nodes themselves, or what is told of a kept message. */
export interface Extension {
  /** What the bytes are: 0 to 255. */
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** A message between nodes. */
export interface Envelope extends EnvelopeAddress {
  readonly isBinary: boolean;
  readonly payload: Uint8Array;
  /** Absent for messages of users that are not kept. */
  readonly extension?: Extension | undefined;
}

/** The place of a packet among the packets of its node. */
export interface PacketHeader {
  /** 12 hexadecimal digits. */
  readonly node: string;
  readonly stream: number;
  /** The number of the first envelope within the stream; the numbers of further envelopes follow without a gap. */
  readonly first: number;
}

export interface Packet extends PacketHeader {
  readonly envelopes: readonly Envelope[];
}

/** Why a packet cannot be read. */
export interface UnreadablePacket {
  readonly problem: "version" | "garbage";
  /** The version and the sender, as far as the packet could be read. */
  readonly version?: number;
  readonly node?: string;
}

/** An envelope and its length, which is measured once and used for filling and for writing a packet. */
export interface MeasuredEnvelope {
  readonly envelope: Envelope;
  readonly rooms: Buffer | undefined;
  readonly bytes: number;
}

export function measure(envelope: Envelope): MeasuredEnvelope {
  const { source, target, scope, extension, payload } = envelope;
  const rooms = envelope.rooms && Buffer.from(JSON.stringify(envelope.rooms));
  let bytes = FIXED_BYTES + payload.length;
  // Ids and scopes are ASCII.
  if (source !== undefined) bytes += 1 + source.length;
  if (target !== undefined) bytes += 1 + target.length + 2 + (scope ?? "").length;
  if (rooms !== undefined) bytes += 4 + rooms.length;
  if (extension !== undefined) bytes += 5 + extension.bytes.length;
  return { envelope, rooms, bytes };
}

/** The length of a packet with a single envelope. */
export function packetBytes({ bytes }: MeasuredEnvelope): number {
  return HEADER_BYTES + bytes;
}

export function writePacket(header: PacketHeader, envelopes: readonly MeasuredEnvelope[]): Buffer {
  const packet = Buffer.allocUnsafe(envelopes.reduce((sum, { bytes }) => sum + bytes, HEADER_BYTES));
  packet[0] = MAGIC_0;
  packet[1] = MAGIC_1;
  packet[2] = VERSION;
  // As a number, since `write` with an encoding takes longer than the rest of a short packet.
  packet.writeUIntBE(Number.parseInt(header.node, 16), NODE_AT, NODE_BYTES);
  packet.writeUInt32BE(header.stream, 9);
  packet.writeUIntBE(header.first, 13, 6);
  let at = HEADER_BYTES;
  for (const envelope of envelopes) at = writeEnvelope(envelope, packet, at);
  return packet;
}

function writeEnvelope({ envelope, rooms }: MeasuredEnvelope, packet: Buffer, start: number): number {
  const { isBinary, source, target, scope = "", extension, payload } = envelope;
  packet[start] =
    (isBinary ? BINARY : 0) |
    (source === undefined ? 0 : SOURCE) |
    (target === undefined ? 0 : TARGET) |
    (rooms === undefined ? 0 : ROOMS) |
    (extension === undefined ? 0 : EXTENSION);
  let at = packet.writeUInt32BE(payload.length, start + 1);
  if (source !== undefined) {
    at = packet.writeUInt8(source.length, at);
    at += packet.write(source, at, "latin1");
  }
  if (target !== undefined) {
    at = packet.writeUInt8(target.length, at);
    at += packet.write(target, at, "latin1");
    at = packet.writeUInt16BE(scope.length, at);
    at += packet.write(scope, at, "latin1");
  }
  if (rooms !== undefined) {
    at = packet.writeUInt32BE(rooms.length, at);
    packet.set(rooms, at);
    at += rooms.length;
  }
  if (extension !== undefined) {
    at = packet.writeUInt32BE(extension.bytes.length, at);
    at = packet.writeUInt8(extension.kind, at);
    packet.set(extension.bytes, at);
    at += extension.bytes.length;
  }
  packet.set(payload, at);
  return at + payload.length;
}

/**
 * @returns tells, by the first bytes alone, the packets of the node that begin with an envelope without an extension. A sender never mixes envelopes
 * with and without extensions in a packet
 */
export function plainPacketsOf(node: string): (bytes: Uint8Array) => boolean {
  const start = Buffer.from([MAGIC_0, MAGIC_1, VERSION, ...Buffer.from(node, "hex")]);
  // From the last byte back: the ends of random ids differ, while every packet begins alike.
  return (bytes) => {
    for (let i = start.length - 1; i >= 0; i--) if (bytes[i] !== start[i]) return false;
    return ((bytes[HEADER_BYTES] ?? EXTENSION) & EXTENSION) === 0;
  };
}

/** Reads a packet completely or not at all. Payloads and the bytes of extensions are views of `bytes`. */
export function readPacket(bytes: Uint8Array): Packet | UnreadablePacket {
  const packet = bufferOf(bytes);
  const [magic0, magic1, version] = [packet[0], packet[1], packet[2]];
  if (magic0 !== MAGIC_0 || magic1 !== MAGIC_1 || version === undefined) return { problem: "garbage" };
  const node = packet.toString("hex", NODE_AT, NODE_AT + NODE_BYTES);
  if (version !== VERSION) return { problem: "version", version, node };
  if (packet.length <= HEADER_BYTES) return { problem: "garbage", node };
  const stream = packet.readUInt32BE(9);
  const first = packet.readUIntBE(13, 6);
  const reader = new ByteReader(packet, HEADER_BYTES);
  try {
    const envelopes: Envelope[] = [];
    while (!reader.isAtEnd) envelopes.push(readEnvelope(reader));
    return { node, stream, first, envelopes };
  } catch {
    return { problem: "garbage", node };
  }
}

function readEnvelope(reader: ByteReader): Envelope {
  const flags = reader.readUInt8();
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new RangeError("unknown flags");
  const payloadBytes = reader.readUInt32();
  const source = flags & SOURCE ? reader.readBytes(reader.readUInt8()).toString("latin1") : undefined;
  const target = flags & TARGET ? reader.readBytes(reader.readUInt8()).toString("latin1") : undefined;
  const scope = flags & TARGET ? reader.readBytes(reader.readUInt16()).toString("latin1") : undefined;
  const rooms = flags & ROOMS ? readRooms(reader.readBytes(reader.readUInt32())) : undefined;
  const extension = flags & EXTENSION ? readExtension(reader) : undefined;
  const payload = reader.readBytes(payloadBytes);
  return { isBinary: (flags & BINARY) !== 0, source, target, scope, rooms, extension, payload };
}

function readExtension(reader: ByteReader): Extension {
  const length = reader.readUInt32();
  const kind = reader.readUInt8();
  return { kind, bytes: reader.readBytes(length) };
}

function readRooms(json: Buffer): readonly string[] {
  const rooms: unknown = JSON.parse(json.toString());
  if (!Array.isArray(rooms)) throw new RangeError("no list of rooms");
  return rooms.map((room: unknown) => {
    if (typeof room !== "string") throw new RangeError("no name of a room");
    return room;
  });
}

/** Reads bytes in order; throws beyond the end. */
class ByteReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  readUInt8(): number {
    const value = this.#bytes.readUInt8(this.#at);
    this.#at += 1;
    return value;
  }

  readUInt16(): number {
    const value = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  readUInt32(): number {
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  readBytes(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) throw new RangeError("cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
