/**
 * The ids of connections: random, so an id cannot be guessed, and never repeated. `serve` and `attach` create one source for each
 * server.
 */
import { randomFillSync } from "node:crypto";
import type { ConnectionId } from "../api/connection.js";

const ID_BYTES = 16;
/** Random bytes for this many ids are drawn at once. */
const IDS_PER_DRAW = 256;

const DIGITS = Buffer.from("0123456789abcdef");
/** A UUID of random bits (RFC 9562 section 5.4), and the offset of each byte in the text. */
const PATTERN = "00000000-0000-4000-8000-000000000000";
const OFFSETS: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** Node's `randomUUID` takes longer, and keeps half a kilobyte for each id: the 15 joined strings. */
export function createIds(): () => ConnectionId {
  const random = Buffer.alloc(ID_BYTES * IDS_PER_DRAW);
  const text = Buffer.from(PATTERN);
  let used = random.length;
  return () => {
    if (used === random.length) {
      randomFillSync(random);
      used = 0;
    }
    for (const offset of OFFSETS) writeByte(text, offset, takeByte());
    return text.toString("latin1") as ConnectionId;
  };

  /** Zeroes each byte after use, so an id is kept nowhere else. */
  function takeByte(): number {
    const byte = random[used] ?? 0;
    random[used++] = 0;
    return byte;
  }
}

function writeByte(text: Buffer, offset: number, byte: number): void {
  // The version and the variant occupy the first bits of a byte.
  const bits = offset === 14 ? (byte & 0x0f) | 0x40 : offset === 19 ? (byte & 0x3f) | 0x80 : byte;
  text[offset] = DIGITS[bits >> 4] ?? 0;
  text[offset + 1] = DIGITS[bits & 0x0f] ?? 0;
}
