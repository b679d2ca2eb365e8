/** Alarms against a sorted list, and the real clock by its own bell. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Alarm, AlarmHeap, createClock, type Timer } from "../../../src/runtime/clock.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";

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

/** Alarms, and a sorted list of the same. */
class Pair {
  readonly rung: number[] = [];
  changes = 0;
  readonly alarms = new AlarmHeap(() => void this.changes++);
  model: Set[] = [];
  readonly #all: Set[] = [];

  get first(): Set | undefined {
    return this.model[0];
  }

  do(step: Step): void {
    if (step.do === "set") this.#set(step.due);
    else if (step.do === "cancel") {
      const one = this.#all[step.which % Math.max(this.#all.length, 1)];
      one?.timer.cancel();
      this.model = this.model.filter((other) => other !== one);
    } else this.take(step.now);
  }

  take(now: number): void {
    const { first } = this;
    const isDue = first !== undefined && first.due <= now;
    const before = this.rung.length;
    this.alarms.take(now)?.ring();
    expect(this.rung.slice(before)).toEqual(isDue ? [first.name] : []);
    if (isDue) this.model.shift();
  }

  #set(due: number): void {
    const name = this.#all.length;
    const one = { due, name, timer: this.alarms.set(due, () => this.rung.push(name)) };
    this.#all.push(one);
    this.model = [...this.model, one].sort((a, b) => a.due - b.due || a.name - b.name);
  }
}

describe("alarms", () => {
  test("of a subclass ring each time that they were set, and once if they were set twice", () => {
    class Own extends Alarm {
      readonly rung: number[] = [];
      override ring(): void {
        this.rung.push(this.due);
      }
    }
    const alarms = new AlarmHeap();
    const own = new Own();
    const ringAll = (now: number): void => {
      for (let next = alarms.take(now); next !== undefined; next = alarms.take(now)) next.ring();
    };
    alarms.set(1, own);
    ringAll(1);
    alarms.set(5, own);
    alarms.set(3, own);
    expect([alarms.size, alarms.nextDue]).toEqual([1, 3]);
    ringAll(10);
    expect([own.rung, alarms.size]).toEqual([[1, 3], 0]);
    alarms.set(20, own);
    own.cancel();
    ringAll(30);
    expect(own.rung).toEqual([1, 3]);
  });

  test("ring in the order of their time, and of their setting when it is the same", () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const pair = new Pair();
        for (const step of plan) {
          const before = pair.first;
          pair.changes = 0;
          pair.do(step);
          expect([pair.alarms.size, pair.alarms.nextDue]).toEqual([pair.model.length, pair.first?.due]);
          // Whoever keeps a native timer for the first alarm hears that it is another one.
          if (pair.first !== before) expect(pair.changes).toBe(1);
        }
        while (pair.alarms.size > 0) pair.take(100);
        expect(pair.model).toEqual([]);
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

  test("rings an alarm in its time although a later one was set before", async () => {
    const clock = createClock();
    const later = clock.after(3_600_000, () => expect.unreachable("not in our time"));
    await rings(clock, 1);
    later.cancel();
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

  test("goes on although an alarm sets itself anew for a wait that vanishes in the sum", () => {
    const clock = new HandClock();
    clock.pass(84_546.8069322202);
    const before = clock.now();
    let rings = 0;
    const again = (): void => {
      if (clock.now() === before && ++rings < 1_000) clock.after(1e-12, again);
    };
    again();
    clock.pass(1);
    expect(rings).toBe(1);
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
