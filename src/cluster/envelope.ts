/**
 * The packets that nodes send each other: a head that says who has sent it and the how manieth it is, then one envelope for each
 * message. The relay writes and reads them. All numbers are big-endian.
 *
 * ```
 * head      "SA" · version 1 · node 6 · stream 4 · number of the first envelope 6
 * envelope  flags 1 · payload length 4 · [length 1 · id] · [length 2 · scope] · [length 4 · rooms as JSON] · payload
 * ```
 */

/** A packet of another version is not read. */
export const VERSION = 1;

const HEAD_BYTES = 19;
/** The flags of an envelope, and the lengths of what they announce. */
const BINARY = 1;
const SOURCE = 2;
const TARGET = 4;
const ROOMS = 8;
const KNOWN_FLAGS = BINARY | SOURCE | TARGET | ROOMS;
const FIXED_BYTES = 5;

/** One message on its way between nodes. */
export interface Envelope {
  readonly isBinary: boolean;
  readonly payload: Uint8Array;
  /** The connection that a broadcast leaves out, or the one that a unicast is for. */
  readonly source?: string | undefined;
  readonly target?: string | undefined;
  /** The scope of the target; `""` is any route. */
  readonly scope?: string | undefined;
  /** The members of any of these. Absent: all that the subject stands for. */
  readonly rooms?: readonly string[] | undefined;
}

/** Where a packet stands in what its node has sent. */
export interface PacketHead {
  /** 12 hexadecimal digits. */
  readonly node: string;
  readonly stream: number;
  /** The number of the first envelope in that stream; the others follow. */
  readonly first: number;
}

export interface Packet extends PacketHead {
  readonly envelopes: readonly Envelope[];
}

/** Why a packet cannot be read. */
export interface Unreadable {
  readonly problem: "version" | "garbage";
  /** What there was to read of the version and of who has sent it. */
  readonly version?: number;
  readonly node?: string;
}

/** An envelope with its length, so that it is written in one go. */
export interface Sealed {
  readonly envelope: Envelope;
  readonly rooms: Buffer | undefined;
  readonly bytes: number;
}

export function seal(envelope: Envelope): Sealed {
  const { source, target, scope, payload } = envelope;
  const rooms = envelope.rooms && Buffer.from(JSON.stringify(envelope.rooms));
  let bytes = FIXED_BYTES + payload.length;
  // Ids and scopes are ASCII.
  if (source !== undefined) bytes += 1 + source.length;
  if (target !== undefined) bytes += 1 + target.length + 2 + (scope ?? "").length;
  if (rooms !== undefined) bytes += 4 + rooms.length;
  return { envelope, rooms, bytes };
}

/** How long the packet of one envelope is. */
export function packetBytes({ bytes }: Sealed): number {
  return HEAD_BYTES + bytes;
}

export function writePacket(head: PacketHead, envelopes: readonly Sealed[]): Buffer {
  const packet = Buffer.allocUnsafe(envelopes.reduce((sum, { bytes }) => sum + bytes, HEAD_BYTES));
  packet.write("SA", 0, "latin1");
  packet[2] = VERSION;
  packet.write(head.node, 3, "hex");
  packet.writeUInt32BE(head.stream, 9);
  packet.writeUIntBE(head.first, 13, 6);
  let at = HEAD_BYTES;
  for (const sealed of envelopes) at = write(sealed, packet, at);
  return packet;
}

function write({ envelope, rooms }: Sealed, packet: Buffer, start: number): number {
  const { isBinary, source, target, scope = "", payload } = envelope;
  packet[start] =
    (isBinary ? BINARY : 0) |
    (source === undefined ? 0 : SOURCE) |
    (target === undefined ? 0 : TARGET) |
    (rooms === undefined ? 0 : ROOMS);
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
  packet.set(payload, at);
  return at + payload.length;
}

/** Reads a whole packet or nothing of it. Payloads are views of its bytes. */
export function readPacket(bytes: Uint8Array): Packet | Unreadable {
  const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (packet.length < 3 || packet.toString("latin1", 0, 2) !== "SA") return { problem: "garbage" };
  const version = packet.readUInt8(2);
  const node = packet.toString("hex", 3, 9);
  if (version !== VERSION) return { problem: "version", version, node };
  if (packet.length <= HEAD_BYTES) return { problem: "garbage", node };
  const head = { node, stream: packet.readUInt32BE(9), first: packet.readUIntBE(13, 6) };
  const reader = new Reader(packet, HEAD_BYTES);
  try {
    const envelopes: Envelope[] = [];
    while (!reader.isAtEnd) envelopes.push(readEnvelope(reader));
    return { ...head, envelopes };
  } catch {
    return { problem: "garbage", node };
  }
}

function readEnvelope(reader: Reader): Envelope {
  const flags = reader.number(1);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new RangeError("unknown flags");
  const payloadBytes = reader.number(4);
  const source = flags & SOURCE ? reader.take(reader.number(1)).toString("latin1") : undefined;
  const target = flags & TARGET ? reader.take(reader.number(1)).toString("latin1") : undefined;
  const scope = flags & TARGET ? reader.take(reader.number(2)).toString("latin1") : undefined;
  const rooms = flags & ROOMS ? readRooms(reader.take(reader.number(4))) : undefined;
  return { isBinary: (flags & BINARY) !== 0, source, target, scope, rooms, payload: reader.take(payloadBytes) };
}

function readRooms(json: Buffer): readonly string[] {
  const rooms: unknown = JSON.parse(json.toString());
  if (!Array.isArray(rooms)) throw new RangeError("no list of rooms");
  return rooms.map((room: unknown) => {
    if (typeof room !== "string") throw new RangeError("no name of a room");
    return room;
  });
}

/** Reads on from where it stands; throws beyond the end. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(bytes: 1 | 2 | 4): number {
    const value = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  take(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) throw new RangeError("cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
