/** The tokens of sessions. */
import { expect, test } from "vitest";
import { createTokens } from "../../../src/server/session-tokens.js";

test("tokens are 128 random bits in base64url, and none comes twice, not from another source either", () => {
  const [one, other] = [createTokens(), createTokens()];
  const tokens = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? one() : other()));
  for (const token of tokens) expect(token).toMatch(/^[\w-]{21}[AQgw]$/);
  expect(new Set(tokens).size).toBe(tokens.length);
  // So many draws show every digit at every place; two bits are left for the last place.
  const seen = Array.from({ length: 22 }, (_, place) => new Set(tokens.map((token) => token[place])).size);
  expect(seen).toEqual([...Array.from({ length: 21 }, () => 64), 4]);
});
