// @ts-check
/** Text frames by hand (RFC 6455 section 5.2): made once, so they need not be fast. */

const FIN_TEXT = 0x81;
const MASKED = 0x80;
/** Lengths from here on stand in 2 bytes, and from 65,536 on in 8. */
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

/**
 * @param {number} payloadBytes
 * @param {number} masked
 */
function header(payloadBytes, masked) {
  if (payloadBytes < LENGTH_16) return Buffer.of(FIN_TEXT, masked | payloadBytes);
  if (payloadBytes <= 0xffff) return Buffer.of(FIN_TEXT, masked | LENGTH_16, payloadBytes >> 8, payloadBytes & 0xff);
  const long = Buffer.alloc(10);
  long[0] = FIN_TEXT;
  long[1] = masked | LENGTH_64;
  long.writeUIntBE(payloadBytes, 4, 6);
  return long;
}

/**
 * As a server sends it.
 * @param {string} text
 */
export function serverFrame(text) {
  const payload = Buffer.from(text);
  return Buffer.concat([header(payload.length, 0), payload]);
}

/**
 * As a client sends it: masked, with a mask that changes every byte, so that the server has to unmask as ever.
 * @param {string} text
 */
export function clientFrame(text) {
  const payload = Buffer.from(text);
  const mask = Buffer.of(0x5a, 0xc3, 0x17, 0x8e);
  const masked = payload.map((byte, i) => byte ^ (mask[i % mask.length] ?? 0));
  return Buffer.concat([header(payload.length, MASKED), mask, masked]);
}

/**
 * @param {Buffer} bytes
 * @param {number} times
 */
export function repeat(bytes, times) {
  return Buffer.concat(Array.from({ length: times }, () => bytes));
}
