/** Alarms against a sorted list, and the real clock by its own bell. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Alarms, createClock, type Timer } from "../../src/clock.js";
import { HandClock } from "../../src/testing/clock.js";

interface Set {
  readonly due: number;
  readonly name: number;
  readonly timer: Timer;
}

type Step =
  | { readonly do: "set"; readonly due: number }
  | { readonly do: "cancel"; readonly which: number }
  | { readonly do: "take"; readonly now: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("set" as const), due: fc.nat({ max: 50 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("take" as const), now: fc.nat({ max: 60 }) }) },
  ),
  { maxLength: 120, size: "max" },
);

describe("alarms", () => {
  test("ring in the order of their time, and of their setting when it is the same", () => {
    fc.assert(
      fc.property(steps, (plan) => {
        let changes = 0;
        const alarms = new Alarms(() => void changes++);
        const rung: number[] = [];
        const all: Set[] = [];
        let model: Set[] = [];
        const first = (): Set | undefined => model[0];
        for (const step of plan) {
          const before = first();
          changes = 0;
          if (step.do === "set") {
            const name = all.length;
            const one = { due: step.due, name, timer: alarms.set(step.due, () => rung.push(name)) };
            all.push(one);
            model = [...model, one].sort((a, b) => a.due - b.due || a.name - b.name);
          } else if (step.do === "cancel") {
            const one = all[step.which % Math.max(all.length, 1)];
            one?.timer.cancel();
            model = model.filter((other) => other !== one);
          } else {
            const next = first();
            const isDue = next !== undefined && next.due <= step.now;
            alarms.take(step.now)?.();
            expect(rung.at(-1)).toBe(isDue ? next.name : rung.at(-1));
            if (isDue) model.shift();
          }
          expect([alarms.size, alarms.nextDue]).toEqual([model.length, first()?.due]);
          // Whoever keeps a native timer for the first alarm hears that it is another one.
          if (first() !== before) expect(changes).toBe(1);
        }
        const rest: number[] = [];
        for (let ring = alarms.take(100); ring !== undefined; ring = alarms.take(100)) {
          ring();
          rest.push(rung.at(-1) ?? -1);
        }
        expect(rest).toEqual(model.map(({ name }) => name));
      }),
      { numRuns: 500 },
    );
  });
});

/** Native timers that keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

function rings(clock: ReturnType<typeof createClock>, ms: number): Promise<number> {
  return new Promise((resolve) => {
    clock.after(ms, () => resolve(clock.now()));
  });
}

describe("the real clock", () => {
  test("counts milliseconds since 1970 and never goes back", () => {
    const clock = createClock();
    let last = clock.now();
    expect(new Date(last).getUTCFullYear()).toBeGreaterThanOrEqual(2024);
    for (let i = 0; i < 1_000; i++) {
      expect(clock.now()).toBeGreaterThanOrEqual(last);
      last = clock.now();
    }
  });

  test("rings no earlier than asked", async () => {
    const clock = createClock();
    for (const ms of [0, 1, 5]) {
      const due = clock.now() + ms;
      expect(await rings(clock, ms)).toBeGreaterThanOrEqual(due);
    }
  });

  test("rings in the order of the times, whatever the order of setting", async () => {
    const clock = createClock();
    const order: number[] = [];
    const all = [8, 2, 5, 2].map(
      (ms, i) =>
        new Promise<void>((resolve) => {
          clock.after(ms, () => {
            order.push(i);
            resolve();
          });
        }),
    );
    await Promise.all(all);
    expect(order).toEqual([1, 3, 2, 0]);
  });

  test("has one native timer for all alarms, and none when the last is cancelled", () => {
    const clock = createClock();
    const before = timers();
    const set = [60_000, 50_000, 70_000].map((ms) => clock.after(ms, () => {}));
    expect(timers()).toBe(before + 1);
    for (const timer of set) timer.cancel();
    expect(timers()).toBe(before);
  });

  test("takes waits that are longer than a native timer can", () => {
    const clock = createClock();
    const before = timers();
    const timer = clock.after(2 ** 40, () => expect.unreachable("not in our time"));
    expect(timers()).toBe(before + 1);
    timer.cancel();
    expect(timers()).toBe(before);
  });

  test("goes on ringing after an alarm that has set another one, and after one that was cancelled twice", async () => {
    const clock = createClock();
    const second = new Promise<void>((resolve) => {
      clock.after(1, () => void clock.after(1, resolve));
    });
    const cancelled = clock.after(1, () => expect.unreachable("it was cancelled"));
    cancelled.cancel();
    cancelled.cancel();
    await second;
  });

  test("runs a step soon, and not at once", async () => {
    const clock = createClock();
    const order: string[] = [];
    const ran = new Promise<void>((resolve) => {
      clock.soon(() => {
        order.push("step");
        resolve();
      });
    });
    order.push("now");
    await Promise.resolve();
    order.push("microtask");
    await ran;
    expect(order).toEqual(["now", "microtask", "step"]);
  });
});

describe("the clock that is driven by hand", () => {
  test("stands still until it is told to go on, and rings what falls into that time", () => {
    const clock = new HandClock();
    const rung: number[] = [];
    const note = (): void => void rung.push(clock.now());
    clock.after(10, note);
    clock.after(5, () => {
      note();
      clock.after(3, note);
    });
    clock.after(11, note);
    expect([clock.now(), clock.alarms]).toEqual([0, 3]);
    clock.pass(10);
    expect([rung, clock.now(), clock.alarms]).toEqual([[5, 8, 10], 10, 1]);
    expect(clock.ringNext(10)).toBe(false);
    expect([clock.ringNext(Number.POSITIVE_INFINITY), clock.now()]).toEqual([true, 11]);
    expect([clock.ringNext(Number.POSITIVE_INFINITY), clock.now()]).toEqual([false, 11]);
  });

  test("runs steps when they are run, those that they add too", () => {
    const clock = new HandClock();
    const order: number[] = [];
    clock.soon(() => {
      order.push(1);
      clock.soon(() => order.push(3));
    });
    clock.soon(() => order.push(2));
    expect([order, clock.hasSteps]).toEqual([[], true]);
    clock.runSteps();
    expect([order, clock.hasSteps]).toEqual([[1, 2, 3], false]);
  });
});
