/** The frames of RFC 6455, as a client writes and reads them: without a library, so that what a server sends is seen byte for byte. */
import { randomBytes } from "node:crypto";

export const OPCODES = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/**
 * @typedef {object} Frame
 * @property {number} opcode
 * @property {boolean} fin
 * @property {boolean} compressed
 * @property {Buffer} payload
 */

/**
 * A masked frame.
 * @param {string | Uint8Array} payload
 * @param {{ opcode?: number, fin?: boolean, compressed?: boolean, masked?: boolean }} [options]
 */
export function encodeFrame(payload, { opcode = OPCODES.text, fin = true, compressed = false, masked = true } = {}) {
  const data = Buffer.from(payload);
  const head = data.length < 126 ? Buffer.alloc(2) : Buffer.alloc(data.length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode;
  head[1] = { 2: data.length, 4: 126, 10: 127 }[head.length] ?? 0;
  if (head.length === 4) head.writeUInt16BE(data.length, 2);
  if (head.length === 10) head.writeUInt32BE(data.length, 6);
  if (!masked) return Buffer.concat([head, data]);
  head[1] |= 0x80;
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]);
}

/**
 * Takes whole frames off the front of what has arrived.
 * @param {Buffer} bytes
 * @returns {{ frames: Frame[], rest: Buffer }}
 */
export function decodeFrames(bytes) {
  const frames = [];
  let rest = bytes;
  while (rest.length >= 2) {
    const short = rest.readUInt8(1);
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < head) break;
    const length = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : rest.readUInt32BE(6);
    if (rest.length < head + length) break;
    const first = rest.readUInt8(0);
    const payload = rest.subarray(head, head + length);
    frames.push({ opcode: first & 15, fin: (first & 0x80) !== 0, compressed: (first & 0x40) !== 0, payload });
    rest = rest.subarray(head + length);
  }
  return { frames, rest };
}
