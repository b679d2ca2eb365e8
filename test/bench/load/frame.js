// @ts-check
/** Text frames by hand (RFC 6455 section 5.2): made once, so they need not be fast. */

const FIN_TEXT = 0x81;
const MASKED = 0x80;
const LENGTH_16 = 126;

/**
 * @param {number} payloadBytes
 * @param {number} masked
 */
function header(payloadBytes, masked) {
  if (payloadBytes > 0xffff) throw new Error("messages of more than 65,535 bytes are not needed here");
  if (payloadBytes < LENGTH_16) return Buffer.of(FIN_TEXT, masked | payloadBytes);
  return Buffer.of(FIN_TEXT, masked | LENGTH_16, payloadBytes >> 8, payloadBytes & 0xff);
}

/**
 * As a server sends it.
 * @param {Buffer} payload
 */
export function serverFrame(payload) {
  return Buffer.concat([header(payload.length, 0), payload]);
}

/**
 * As a client sends it: masked, with a mask that changes every byte, so that the server has to unmask as ever.
 * @param {Buffer} payload
 */
export function clientFrame(payload) {
  const mask = Buffer.of(0x5a, 0xc3, 0x17, 0x8e);
  const masked = payload.map((byte, i) => byte ^ (mask[i % mask.length] ?? 0));
  return Buffer.concat([header(payload.length, MASKED), mask, masked]);
}
