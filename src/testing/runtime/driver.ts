/** Lets things happen in a runtime until it is at rest, or something is done: the loops behind `settle`, `advance` and `close`. */
import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers";
import type { Steps } from "./steps.js";

/** So long a handler may wait for something outside the runtime. */
export const PATIENCE_MS = 1_000;
/** So many rounds of the event loop without a step: a handler that sleeps is taken to wait for its sleep. */
export const QUIET_ROUNDS = 5;
/** No alarm is let ring. */
export const NO_TIME: number = Number.NEGATIVE_INFINITY;

// Taken when this file is loaded, so that a test may replace what its module gives.
const readTime = performance.now.bind(performance);

/** All promises that can be settled have been, when this is. */
export function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Real time is read only while nothing else can happen. */
export class Patience {
  readonly #ms: number;
  #startedAt: number | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get isOver(): boolean {
    if (this.#ms === 0) return true;
    this.#startedAt ??= readTime();
    return readTime() - this.#startedAt >= this.#ms;
  }
}

/** What is under way when nothing can happen: types of events with their connections, and how many wait for what. */
export interface UnderWay {
  readonly events: readonly string[];
  /** Wait for virtual time. */
  readonly sleepers: number;
  /** Wait for `authorize`. */
  readonly undecided: number;
}

export interface Rest {
  readonly patienceMs: number;
  /** Alarms may ring until then. */
  readonly limit?: number;
  /** Asked in each round. */
  readonly isEnough?: (() => boolean) | undefined;
}

export class Driver {
  readonly #steps: Steps;
  readonly #underWay: () => UnderWay;
  /** What is under way outside the runtime. */
  #held = 0;

  constructor(steps: Steps, underWay: () => UnderWay) {
    this.#steps = steps;
    this.#underWay = underWay;
  }

  /** Nothing is at rest until `work` is settled. */
  hold(work: Promise<void>): void {
    this.#held++;
    void work.finally(() => {
      this.#held--;
    });
  }

  /** @returns what handlers have not finished when patience was over; `undefined` if all have, or wait for virtual time */
  async rest({ patienceMs, limit = NO_TIME, isEnough }: Rest): Promise<readonly string[] | undefined> {
    const patience = new Patience(patienceMs);
    let unfinished: readonly string[] | undefined;
    const isAtRest = (quiet: number): boolean => {
      if (this.#held > 0) return false;
      const { events, sleepers, undecided } = this.#underWay();
      if (events.length + undecided === 0) return true;
      if (quiet < QUIET_ROUNDS) return false;
      if (sleepers > 0) return true;
      if (!patience.isOver) return false;
      unfinished = events;
      return true;
    };
    await this.#goOn(limit, isAtRest, isEnough);
    return unfinished;
  }

  /**
   * Lets everything happen until `work` is settled, as it is.
   * @param mayPass asked when nothing can happen: whether virtual time goes on to the next alarm
   */
  async until(work: Promise<void>, mayPass: (underWay: UnderWay) => boolean): Promise<void> {
    let isOver = false;
    const settled = work.finally(() => {
      isOver = true;
    });
    // Whoever awaits the result hears of its failure; here it must not count as unheard.
    settled.catch(() => {});
    const isEnough = (): boolean => isOver;
    const isAtRest = (quiet: number): boolean => {
      if (quiet >= QUIET_ROUNDS && mayPass(this.#underWay())) this.#steps.ring(Number.POSITIVE_INFINITY);
      return false;
    };
    await this.#goOn(NO_TIME, isAtRest, isEnough);
    await settled;
  }

  /** @param isAtRest asked in each round in which nothing can happen, with the number of such rounds in a row */
  async #goOn(limit: number, isAtRest: (quiet: number) => boolean, isEnough?: () => boolean): Promise<void> {
    const steps = this.#steps;
    steps.begin();
    try {
      for (let quiet = 0; ; quiet++) {
        if (steps.hasAny(limit)) quiet = 0;
        steps.run(limit);
        await nextRound();
        if (isEnough?.()) return;
        if (!steps.hasAny(limit) && isAtRest(quiet)) return;
      }
    } finally {
      steps.end();
    }
  }
}
