/** How failures are counted against whoever caused them. */
import { describe, expect, test } from "vitest";
import { Charges } from "../../../src/actors/charges.js";

describe("charges", () => {
  test("are too many when more than so many fall into one period", () => {
    const charges = new Charges<object>({ intensity: 2, periodMs: 10 });
    const [one, other] = [{}, {}];
    expect([0, 5, 10, 15].map((now) => charges.charge(one, now))).toEqual([false, false, false, false]);
    expect([charges.charge(one, 19), charges.charge(other, 19)]).toEqual([true, false]);
  });

  test("allow none with intensity 0", () => {
    expect(new Charges<object>({ intensity: 0, periodMs: 10 }).charge({}, 0)).toBe(true);
  });
});
