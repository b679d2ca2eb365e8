/** Names of connections: random, so that nobody guesses one, and never the same twice. `server.ts` takes one source for each server. */
import { randomFillSync } from "node:crypto";
import type { ConnectionId } from "../api/connection.js";

const ID_BYTES = 16;
/** So many are drawn at once. */
const AT_ONCE = 256;

const DIGITS = Buffer.from("0123456789abcdef");
/** A UUID of random bits (RFC 9562 section 5.4), and where its bytes stand in it. */
const PATTERN = "00000000-0000-4000-8000-000000000000";
const PLACES: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** Node's `randomUUID` takes longer, and keeps half a kilobyte for each: the 15 strings that it joins. */
export function createIds(): () => ConnectionId {
  const random = Buffer.alloc(ID_BYTES * AT_ONCE);
  const text = Buffer.from(PATTERN);
  let used = random.length;
  return () => {
    if (used === random.length) {
      randomFillSync(random);
      used = 0;
    }
    for (const place of PLACES) writeByte(text, place, take());
    return text.toString("latin1") as ConnectionId;
  };

  /** What has been given out is kept nowhere else. */
  function take(): number {
    const byte = random[used] ?? 0;
    random[used++] = 0;
    return byte;
  }
}

function writeByte(text: Buffer, place: number, byte: number): void {
  // The version and the variant have their places at the beginning of a byte.
  const bits = place === 14 ? (byte & 0x0f) | 0x40 : place === 19 ? (byte & 0x3f) | 0x80 : byte;
  text[place] = DIGITS[bits >> 4] ?? 0;
  text[place + 1] = DIGITS[bits & 0x0f] ?? 0;
}
