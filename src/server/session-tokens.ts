/** The tokens of sessions: random, so that a token cannot be guessed. A server has one source, which draws nothing until a session begins. */
import { randomFillSync } from "node:crypto";

const TOKEN_BYTES = 16;
/** Random bytes for this many tokens are drawn at once. */
const TOKENS_PER_DRAW = 256;

/** @returns makes a token of 128 random bits in base64url: 22 characters */
export function createTokens(): () => string {
  let random: Buffer | undefined;
  let used = 0;
  return () => {
    if (random === undefined || used === random.length) {
      random ??= Buffer.alloc(TOKEN_BYTES * TOKENS_PER_DRAW);
      randomFillSync(random);
      used = 0;
    }
    const bytes = random.subarray(used, used + TOKEN_BYTES);
    used += TOKEN_BYTES;
    const token = bytes.toString("base64url");
    // A token counts as a password, and is kept nowhere else.
    bytes.fill(0);
    return token;
  };
}
