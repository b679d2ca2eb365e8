/**
 * Runs a scheduler until nothing can happen or a task is done: the loops behind `settle`, `advance` and `close`. Each test runtime has one
 * driver; each call ends its own loop.
 */
import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers";
import type { UnfinishedEvent } from "../../actors/route/observer.js";
import type { Scheduler } from "./environment.js";

/** How long a handler may wait for something outside the runtime. */
export const OUTSIDE_WAIT_MS = 1_000;
/** Rounds of the event loop without a step, after which a handler that sleeps is taken to wait for its sleep alone. */
export const QUIET_ROUNDS = 5;
/** A limit of virtual time before every alarm: no alarm rings. */
export const NO_ALARMS: number = Number.NEGATIVE_INFINITY;

// Read when this file is loaded, because a test may replace the module's exports later.
const readTime = performance.now.bind(performance);

/** Resolves in the next round of the event loop, after every promise that can settle has settled. */
export function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A deadline in real time, counted from the first check: real time is read only while nothing else can happen. */
export class LazyDeadline {
  readonly #ms: number;
  #startedAt: number | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get hasPassed(): boolean {
    if (this.#ms === 0) return true;
    this.#startedAt ??= readTime();
    return readTime() - this.#startedAt >= this.#ms;
  }
}

/** The unfinished work of a server. */
export interface UnfinishedWork {
  readonly events: readonly UnfinishedEvent[];
  /** How many events wait for virtual time. */
  readonly sleepers: number;
  /** How many clients wait for `authorize`, or for the headers of their requests. */
  readonly undecided: number;
}

export interface IdleOptions {
  /** How long to wait, in real time, for handlers that wait for something outside the runtime. */
  readonly outsideWaitMs: number;
  /** The virtual time up to which alarms may ring. */
  readonly limit?: number;
  /** Asked in each round: `true` ends the loop before the runtime is idle. */
  readonly isDone?: (() => boolean) | undefined;
}

export class Driver {
  readonly #scheduler: Scheduler;
  readonly #unfinishedWork: () => UnfinishedWork;
  /** How many tasks are under way outside the runtime. */
  #outsideTasks = 0;

  constructor(scheduler: Scheduler, unfinishedWork: () => UnfinishedWork) {
    this.#scheduler = scheduler;
    this.#unfinishedWork = unfinishedWork;
  }

  /** The runtime does not count as idle until `task` is settled. */
  waitFor(task: Promise<void>): void {
    this.#outsideTasks++;
    void task.finally(() => {
      this.#outsideTasks--;
    });
  }

  /** @returns the events unfinished when the wait was over; `undefined` if every event is finished, or waits for virtual time */
  runUntilIdle(options: IdleOptions): Promise<readonly UnfinishedEvent[] | undefined> {
    return new Promise((resolve, reject) => this.#startUntilIdle(options, resolve, reject));
  }

  /**
   * Lets virtual time pass up to `limit`, or until `isDone` holds when nothing can happen.
   * @param onPassed called at the end; `onFailed` gets what it throws
   */
  passTime(
    limit: number,
    isDone: (() => boolean) | undefined,
    onPassed: () => void,
    onFailed: (error: unknown) => void,
  ): void {
    let outsideWaitMs = OUTSIDE_WAIT_MS;
    const start = (): void => this.#startUntilIdle({ outsideWaitMs, limit, isDone }, onIdle, onFailed);
    const onIdle = (unfinished: readonly UnfinishedEvent[] | undefined): void => {
      // Waits only once for a handler that hangs: the test may be about `handlerTimeoutMs`.
      if (unfinished !== undefined) outsideWaitMs = 0;
      try {
        if (isDone?.() || !this.#scheduler.ringNext(limit)) onPassed();
        else start();
      } catch (error) {
        onFailed(error);
      }
    };
    start();
  }

  #startUntilIdle(
    { outsideWaitMs, limit = NO_ALARMS, isDone }: IdleOptions,
    onIdle: (unfinished: readonly UnfinishedEvent[] | undefined) => void,
    onFailed: (error: unknown) => void,
  ): void {
    const deadline = new LazyDeadline(outsideWaitMs);
    let unfinished: readonly UnfinishedEvent[] | undefined;
    const isIdle = (quietRounds: number): boolean => {
      if (this.#outsideTasks > 0) return false;
      const { events, sleepers, undecided } = this.#unfinishedWork();
      if (events.length + undecided === 0) return true;
      if (quietRounds < QUIET_ROUNDS) return false;
      if (sleepers > 0) return true;
      if (!deadline.hasPassed) return false;
      unfinished = events;
      return true;
    };
    const ends = { isDone, isIdle, onEnded: () => onIdle(unfinished), onFailed };
    new Loop(this.#scheduler, limit, ends).start();
  }

  /**
   * Runs until `task` is settled, and settles like the task.
   * @param mayPass asked when nothing can happen: whether virtual time goes on to the next alarm
   */
  async runUntilSettled(task: Promise<void>, mayPass: (work: UnfinishedWork) => boolean): Promise<void> {
    let isDone = false;
    const settled = task.finally(() => {
      isDone = true;
    });
    // The caller gets a rejection from the `await` below; without this handler Node would report the rejection as unhandled before.
    settled.catch(() => {});
    const isIdle = (quietRounds: number): boolean => {
      if (quietRounds >= QUIET_ROUNDS && mayPass(this.#unfinishedWork()))
        this.#scheduler.ringNext(Number.POSITIVE_INFINITY);
      return false;
    };
    await new Promise<void>((onEnded, onFailed) => {
      new Loop(this.#scheduler, NO_ALARMS, { isDone: () => isDone, isIdle, onEnded, onFailed }).start();
    });
    await settled;
  }

  /**
   * Settles until `isDone` holds, or in vain: nothing can happen, no other call lets things happen, and no earlier wait is left. Waits that
   * are in vain end in their order, since the caller that has waited may then send.
   */
  async settleUntil(isDone: () => boolean, settle: () => Promise<void>): Promise<void> {
    const { waits } = this.#scheduler;
    const wait = {};
    waits.add(wait);
    const isOthersTurn = (): boolean => waits.values().next().value !== wait;
    try {
      do await settle();
      while (!isDone() && (await this.#canGoOn(isDone, isOthersTurn)));
    } finally {
      waits.delete(wait);
    }
  }

  /**
   * Runs until `isDone` holds, which takes virtual time: time passes when nothing can happen, no other call lets things happen, no client
   * waits to be let in, and no wait is left that time must not pass for.
   * @param isEarly whether to end as soon as `isDone` holds, before the runtime is idle
   */
  async runInTime(isDone: () => boolean, isEarly: boolean): Promise<void> {
    let outsideWaitMs = OUTSIDE_WAIT_MS;
    const deadline = new LazyDeadline(OUTSIDE_WAIT_MS);
    const isOthersTurn = (): boolean =>
      this.#scheduler.waits.size > 0 || (this.#unfinishedWork().undecided > 0 && !deadline.hasPassed);
    for (;;) {
      // Waits only once for a handler that hangs: in the end the time for the awaited event is up.
      const options = { outsideWaitMs, ...(isEarly && { isDone }) };
      if ((await this.runUntilIdle(options)) !== undefined) outsideWaitMs = 0;
      if (isDone()) return;
      if (await this.#canGoOn(isDone, isOthersTurn)) continue;
      if (!isDone()) this.#scheduler.ringNext(Number.POSITIVE_INFINITY);
    }
  }

  /**
   * @param isOthersTurn whether another wait comes first
   * @returns `true` as soon as something can happen; `false` if `isDone` holds, or after quiet rounds
   */
  async #canGoOn(isDone: () => boolean, isOthersTurn: () => boolean): Promise<boolean> {
    for (let quietRounds = 0; quietRounds < QUIET_ROUNDS; quietRounds++) {
      await nextRound();
      if (isDone()) return false;
      if (this.#scheduler.canRun(NO_ALARMS)) return true;
      if (this.#scheduler.isDriven || isOthersTurn()) quietRounds = 0;
    }
    return false;
  }
}

interface LoopEnds {
  /** Asked in each round: `true` ends the loop. */
  readonly isDone: (() => boolean) | undefined;
  /** Asked in each round in which nothing can happen, with the number of such rounds in a row: `true` ends the loop. */
  readonly isIdle: (quietRounds: number) => boolean;
  readonly onEnded: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** Runs the scheduler in rounds of the event loop, without a promise for each round: a promise would cost more than the round. */
class Loop {
  readonly #scheduler: Scheduler;
  readonly #limit: number;
  readonly #ends: LoopEnds;
  #quietRounds = 0;

  constructor(scheduler: Scheduler, limit: number, ends: LoopEnds) {
    this.#scheduler = scheduler;
    this.#limit = limit;
    this.#ends = ends;
  }

  start(): void {
    try {
      this.#scheduler.onDriverStarted();
    } catch (error) {
      this.#ends.onFailed(error);
      return;
    }
    try {
      this.#run();
    } catch (error) {
      this.#fail(error);
    }
  }

  onRound(): void {
    try {
      if (!this.#isOver()) {
        this.#quietRounds++;
        this.#run();
        return;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#scheduler.onDriverStopped();
    this.#ends.onEnded();
  }

  #isOver(): boolean {
    const { isDone, isIdle } = this.#ends;
    return isDone?.() || (!this.#scheduler.canRun(this.#limit) && isIdle(this.#quietRounds));
  }

  #run(): void {
    if (this.#scheduler.canRun(this.#limit)) this.#quietRounds = 0;
    this.#scheduler.run(this.#limit);
    setImmediate(goOn, this);
  }

  #fail(error: unknown): void {
    this.#scheduler.onDriverStopped();
    this.#ends.onFailed(error);
  }
}

function goOn(loop: Loop): void {
  loop.onRound();
}
