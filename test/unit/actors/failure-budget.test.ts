/** How failures are counted against the connection or handler that caused them. */
import { describe, expect, test } from "vitest";
import { FailureBudget } from "../../../src/actors/route/failure-budget.js";

describe("a failure budget", () => {
  test("is exceeded by more than `intensity` failures in one period", () => {
    const budget = new FailureBudget<object>({ intensity: 2, periodMs: 10 });
    const [one, other] = [{}, {}];
    const spend = (culprit: object, now: number): boolean =>
      budget.spend(culprit, { now, tookMs: 0, sequence: budget });
    expect([0, 5, 10, 15].map((now) => spend(one, now))).toEqual([false, false, false, false]);
    expect([spend(one, 19), spend(other, 19)]).toEqual([true, false]);
  });

  test("allows no failure with intensity 0", () => {
    const budget = new FailureBudget<object>({ intensity: 0, periodMs: 10 });
    expect(budget.spend({}, { now: 0, tookMs: 0, sequence: budget })).toBe(true);
  });

  test("leaves out the time that failing events of the same sequence took", () => {
    const budget = new FailureBudget<object>({ intensity: 1, periodMs: 10 });
    const [one, other, sequence] = [{}, {}, {}];
    expect(budget.spend(one, { now: 100, tookMs: 100, sequence })).toBe(false);
    expect(budget.spend(other, { now: 209, tookMs: 100, sequence })).toBe(false);
    expect(budget.spend(one, { now: 309, tookMs: 100, sequence })).toBe(true);
    expect(budget.spend(other, { now: 420, tookMs: 100, sequence })).toBe(false);
    expect(budget.spend(one, { now: 430, tookMs: 0, sequence: {} })).toBe(false);
  });
});
