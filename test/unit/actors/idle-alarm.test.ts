/** The alarm for silence, on a clock that may ring late. */
import { expect, test } from "vitest";
import { IdleAlarm } from "../../../src/actors/connection/idle-alarm.js";
import type { Alarm, Clock, Timer } from "../../../src/runtime/clock.js";

/** A clock whose alarms ring when the test says so, however late. */
class LateClock implements Clock {
  time = 0;
  #rings: { readonly due: number; readonly ring: () => void }[] = [];

  now(): number {
    return this.time;
  }
  after(ms: number, ring: (() => void) | Alarm): Timer {
    const one = { due: this.time + ms, ring: typeof ring === "function" ? ring : () => ring.ring() };
    this.#rings.push(one);
    return {
      cancel: () => {
        this.#rings = this.#rings.filter((other) => other !== one);
      },
    };
  }
  soon(step: () => void): void {
    step();
  }

  /** Rings whatever is due by now, at this very time. */
  ringAt(time: number): void {
    this.time = time;
    const due = this.#rings.filter((one) => one.due <= time);
    this.#rings = this.#rings.filter((one) => one.due > time);
    for (const { ring } of due) ring();
  }
}

function silence(): { readonly clock: LateClock; readonly alarm: IdleAlarm; readonly rung: number[] } {
  const clock = new LateClock();
  const rung: number[] = [];
  const alarm = new IdleAlarm(clock, 1_000, () => void rung.push(clock.time));
  return { clock, alarm, rung };
}

test("an idle alarm tells of silence in time", () => {
  const { clock, rung } = silence();
  clock.ringAt(1_050);
  expect(rung).toEqual([1_050]);
});

test("an idle alarm that was held up looks once more, and a message that comes meanwhile counts", () => {
  const { clock, alarm, rung } = silence();
  clock.ringAt(5_000);
  expect(rung).toEqual([]);
  alarm.heard();
  clock.ringAt(6_000);
  expect(rung).toEqual([6_000]);
});

test("a peer that is still silent when a late idle alarm looks once more is told of, however late that is", () => {
  const { clock, alarm, rung } = silence();
  clock.ringAt(5_000);
  clock.ringAt(9_000);
  expect(rung).toEqual([9_000]);
  // The next silence has a look of its own.
  alarm.heard();
  clock.ringAt(15_000);
  expect(rung).toEqual([9_000]);
  clock.ringAt(16_000);
  expect(rung).toEqual([9_000, 16_000]);
});
