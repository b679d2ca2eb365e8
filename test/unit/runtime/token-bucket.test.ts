/** The token bucket against what any token bucket must keep to. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "../../../src/runtime/token-bucket.js";

/** As a server's clock: milliseconds since 1970, with fractions. */
const START = 1_760_000_000_000.123;

test("whoever waits as told gets through, never more than the rate and the burst allow, and never later than need be", () => {
  const rate = fc.double({ min: 0.01, max: 1e9, noNaN: true });
  const seconds = fc.double({ min: 0, max: 100, noNaN: true });
  const costs = fc.array(fc.double({ min: 0.001, max: 1_000, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(rate, seconds, costs, (perSecond, burstSeconds, asked) => {
      const burst = perSecond * burstSeconds;
      const bucket = new TokenBucket(perSecond, burst, START);
      let now = START;
      let taken = 0;
      for (const cost of asked) {
        const waitMs = bucket.waitMs(cost, now);
        if (waitMs > 0.01) expect(bucket.waitMs(cost, now + waitMs / 2)).toBeGreaterThan(0);
        now += waitMs;
        expect(bucket.waitMs(cost, now)).toBe(0);
        bucket.take(cost, now);
        taken += cost;
        const allowed = burst + ((now - START) / 1_000) * perSecond;
        // Beyond the allowed stand at most the one cost that is longer than the burst, and a microsecond for each step.
        expect(taken).toBeLessThanOrEqual(
          allowed + Math.max(cost, burst) - burst + perSecond * 1e-6 * asked.length + 1e-6,
        );
      }
    }),
  );
});

test("thirds of a second come at thirds of a second, and the third of them at the second", () => {
  const bucket = new TokenBucket(3, 0, 0);
  const times: number[] = [];
  for (let now = 0; times.length < 7; now += bucket.waitMs(1, now)) {
    times.push(now);
    bucket.take(1, now);
  }
  expect(times.map((time) => Math.round(time * 1_000) / 1_000)).toEqual([
    0, 333.333, 666.666, 1_000, 1_333.333, 1_666.666, 2_000,
  ]);
});

test("a clock that stands, or is read a little too early, takes nothing away", () => {
  const bucket = new TokenBucket(10, 1, 1_000);
  bucket.take(1, 1_000);
  expect(bucket.waitMs(1, 1_050)).toBe(50);
  expect(bucket.waitMs(1, 1_010)).toBe(50);
  expect(bucket.waitMs(1, 1_100)).toBe(0);
});
