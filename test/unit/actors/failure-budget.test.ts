/** How failures are counted against whoever caused them. */
import { describe, expect, test } from "vitest";
import { FailureBudget } from "../../../src/actors/route/failure-budget.js";

describe("a budget of failures", () => {
  test("is spent when more failures than intensity fall into one period", () => {
    const charges = new FailureBudget<object>({ intensity: 2, periodMs: 10 });
    const [one, other] = [{}, {}];
    const charge = (whom: object, now: number): boolean => charges.spend(whom, { now, tookMs: 0, line: charges });
    expect([0, 5, 10, 15].map((now) => charge(one, now))).toEqual([false, false, false, false]);
    expect([charge(one, 19), charge(other, 19)]).toEqual([true, false]);
  });

  test("allows no failure with intensity 0", () => {
    const charges = new FailureBudget<object>({ intensity: 0, periodMs: 10 });
    expect(charges.spend({}, { now: 0, tookMs: 0, line: charges })).toBe(true);
  });

  test("leaves out the time that failing events of the same line took", () => {
    const charges = new FailureBudget<object>({ intensity: 1, periodMs: 10 });
    const [one, other, line] = [{}, {}, {}];
    expect(charges.spend(one, { now: 100, tookMs: 100, line })).toBe(false);
    expect(charges.spend(other, { now: 209, tookMs: 100, line })).toBe(false);
    expect(charges.spend(one, { now: 309, tookMs: 100, line })).toBe(true);
    expect(charges.spend(other, { now: 420, tookMs: 100, line })).toBe(false);
    expect(charges.spend(one, { now: 430, tookMs: 0, line: {} })).toBe(false);
  });
});
