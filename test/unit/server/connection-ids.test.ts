/** The names of connections. */
import { expect, test } from "vitest";
import { createIds } from "../../../src/server/connection-ids.js";

test("ids are UUIDs of random bits, and none comes twice, not from another source either", () => {
  const [one, other] = [createIds(), createIds()];
  const ids = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? one() : other()));
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  // So many draws show every digit at every free place.
  const seen = Array.from({ length: 36 }, (_, place) => new Set(ids.map((id) => id[place])).size);
  const expected = Array.from("xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx", (kind) => ({ x: 16, y: 4 })[kind] ?? 1);
  expect(seen).toEqual(expected);
});
