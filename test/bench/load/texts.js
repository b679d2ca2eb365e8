// @ts-check
/** What talkers say: prose, or JSON that is different each time. */
import { MARK } from "./counters.js";

/**
 * Compressed messages are not all the same: with the one before in its window, a compressor would only say so. All of these
 * together are twice as long as the window.
 */
const JSON_TEXTS = 64;

/**
 * @param {import("./rooms.js").RoomsSettings} settings
 * @returns {string[]} what is said, in turn
 */
export function compose({ messageBytes, isJson = false }) {
  const prose = "All of them get this. ".repeat(Math.ceil(messageBytes / 20));
  const texts = isJson ? Array.from({ length: JSON_TEXTS }, (_, i) => positions(i, messageBytes)) : [prose];
  return texts.map((text) => `${text.slice(0, messageBytes - 1)}${MARK}`);
}

/**
 * Who is where, as a game or a map would tell it; different each time, and the same in each run.
 * @param {number} seed
 * @param {number} bytes at least
 */
function positions(seed, bytes) {
  let state = seed + 1;
  const random = (/** @type {number} */ below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const player = () => ({ id: random(100_000), name: random(1e9).toString(36), x: random(4_096), y: random(4_096) });
  return JSON.stringify({ type: "positions", players: Array.from({ length: Math.ceil(bytes / 35) }, player) });
}
