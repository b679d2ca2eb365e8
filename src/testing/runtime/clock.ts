/**
 * A clock driven by hand: time stands still, and steps wait, until a test says otherwise. Each test runtime, or each explored run, has
 * a clock for its whole life; tests over real sockets use such clocks too.
 */
import { type Alarm, AlarmHeap, type Timer } from "../../runtime/clock.js";
import type { ClockStep, StepClock } from "../memory-transport/contracts.js";
import { StepQueue } from "./step-queue.js";

/** The shortest wait. A shorter one, as sums of fractions leave, may vanish when added to the time: the alarm would ring for ever. */
const SHORTEST_MS = 0.001;

export class HandClock implements StepClock {
  readonly #alarms = new AlarmHeap();
  readonly #steps = new StepQueue();
  readonly #soon: ((step: () => void) => void) | undefined;
  #now = 0;

  /** @param soon runs each step; without `soon` the steps wait for `runSteps` */
  constructor(soon?: (step: () => void) => void) {
    this.#soon = soon;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, ring: (() => void) | Alarm): Timer {
    const due = this.#now + ms;
    return this.#alarms.set(ms > 0 && due === this.#now ? this.#now + SHORTEST_MS : due, ring);
  }

  soon(step: (() => void) | ClockStep): void {
    if (this.#soon === undefined) this.#steps.push(step);
    else this.#soon(typeof step === "function" ? step : () => step.run());
  }

  /** How many alarms are set. */
  get alarms(): number {
    return this.#alarms.size;
  }

  get hasSteps(): boolean {
    return this.#steps.size > 0;
  }

  /**
   * Runs steps until no step waits, but at most `most`: steps that add steps for ever must not keep the test runner from reporting
   * the test.
   */
  runSteps(most: number = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < most; done++) {
      const step = this.#steps.shift();
      if (step === undefined) return;
      runStep(step);
    }
  }

  /** Runs the first waiting step. */
  runStep(): void {
    const step = this.#steps.shift();
    if (step !== undefined) runStep(step);
  }

  /** When the next alarm rings; `undefined` if none is set. */
  get nextDue(): number | undefined {
    return this.#alarms.nextDue;
  }

  /** Whether nothing but steps and alarms can follow when the next alarm rings. */
  get isNextSelfContained(): boolean {
    return this.#alarms.next?.isSelfContained === true;
  }

  /** Goes on to the next alarm, at most to `limit`, and rings the alarm. @returns `false` if no alarm is due by then; the time is `limit` now */
  ringNext(limit: number): boolean {
    const due = this.#alarms.nextDue;
    if (due === undefined || due > limit) {
      if (limit !== Number.POSITIVE_INFINITY) this.#now = limit;
      return false;
    }
    this.#now = Math.max(this.#now, due);
    this.#alarms.take(this.#now)?.ring();
    return true;
  }

  /** Lets `ms` pass at once, for tests over real sockets. */
  pass(ms: number): void {
    const limit = this.#now + ms;
    while (this.ringNext(limit));
  }
}

function runStep(step: (() => void) | ClockStep): void {
  if (typeof step === "function") step();
  else step.run();
}
