/** The names of connections. */
import { expect, test } from "vitest";
import { createIds } from "../../src/ids.js";

test("ids are random bits, 128 of them, and none comes twice, not from another source either", () => {
  const [one, other] = [createIds(), createIds()];
  const ids = Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? one() : other()));
  for (const id of ids) expect(id).toMatch(/^[\da-f]{32}$/);
  expect(new Set(ids).size).toBe(ids.length);
  // Each of the 32 places is a digit of its own: 1,000 draws show all 16 of them.
  for (let place = 0; place < 32; place++) expect(new Set(ids.map((id) => id[place])).size).toBe(16);
});
