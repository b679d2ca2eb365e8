/** How wrong values are shown in messages: in a few words, whatever they are. */
import { describe, expect, test } from "vitest";
import { show } from "../../../src/runtime/show.js";
import { messageOf } from "../../../src/runtime/thrown.js";
import { UNREADABLE } from "../unreadable.js";

describe("a wrong value", () => {
  test.each(UNREADABLE)("is shown on one line, and so is what it says: %s", (_what, make) => {
    for (const text of [show(make()), messageOf(make())]) {
      expect(text).not.toBe("");
      expect(text.length).toBeLessThanOrEqual(60);
    }
  });

  test.each<[value: unknown, shown: string]>([
    ["x", '"x"'],
    ["x".repeat(1_000_000), `"${"x".repeat(56)}...`],
    ["x".repeat(58), `"${"x".repeat(58)}"`],
    ["x".repeat(59), `"${"x".repeat(56)}...`],
    [{ a: () => {} }, '{"a":"a function"}'],
    [10n ** 100n, `1${"0".repeat(56)}...`],
    [new Map(), "an object of class Map"],
    [undefined, "undefined"],
  ])("is shown by its beginning: case %#", (value, shown) => {
    expect(show(value)).toBe(shown);
  });
});
