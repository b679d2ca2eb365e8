/**
 * The turn loop of one server. A turn runs waiting events until none waits, the budget is spent or the handler awaits; then
 * it flushes each dirty sender once. Whoever has work says so (`wake`, `dirty`), and a turn is scheduled.
 */
import type { Clock } from "./clock.js";

/** Has events to run: a route's handler. */
export interface Runnable {
  /** Runs up to `budget` events. Says whether it stopped with more to run, or because it awaits one. */
  run(budget: number): "idle" | "more" | "awaiting";
}

/** Has something to write: a sender. */
export interface Flushable {
  flush(): void;
}

/** So many events go into one turn: enough to share one write, few enough that sockets are read in between. */
const BUDGET = 512;
/** A turn that has taken so long ends with the event under way, so that sockets are served. */
export const LONG_TURN_MS = 10;

export class Turn {
  readonly #clock: Clock;
  #ready = new Set<Runnable>();
  #dirty: Flushable[] = [];
  #isScheduled = false;
  /** Events are run by a pass, which flushes afterwards or schedules another. */
  #isPassing = false;
  #time: number | undefined;
  #number = 0;
  /** The turn is held open for a handler that awaits: most settle within the same tick, and their sends share its writes. */
  #isOpen = false;
  #openedAt = 0;
  /** Events that have run since, one for each that settled. */
  #continued = 0;
  readonly #onFailure: (error: unknown) => void;

  /**
   * @param onFailure told of what somebody has thrown, which is a fault of ours: all others are run and flushed all the same.
   * Default: it is thrown again in a step of its own.
   */
  constructor(clock: Clock, onFailure: (error: unknown) => void = (error) => rethrow(clock, error)) {
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** The clock's time; within a turn that is scheduled the clock is read once, since many messages arrive together. */
  time(): number {
    if (!this.#isScheduled) return this.#clock.now();
    this.#time ??= this.#clock.now();
    return this.#time;
  }

  /** How many turns have ended. */
  get number(): number {
    return this.#number;
  }

  wake(runnable: Runnable): void {
    this.#ready.add(runnable);
    this.#schedule();
  }

  flushAtEnd(flushable: Flushable): void {
    this.#dirty.push(flushable);
    // The pass under way flushes at its end.
    if (!this.#isPassing) this.#schedule();
  }

  /** The event that `runnable` awaited is settled: it goes on within the turn if that is still open. */
  settled(runnable: Runnable): void {
    const goesOn = this.#isOpen && this.#continued++ < BUDGET && this.#clock.now() - this.#openedAt < LONG_TURN_MS;
    if (goesOn) this.#run(runnable);
    else this.wake(runnable);
  }

  readonly #pass = (): void => {
    this.#isScheduled = false;
    this.#time = undefined;
    this.#isPassing = true;
    if (this.#isOpen) this.#end();
    const ready = this.#ready;
    this.#ready = new Set();
    for (const runnable of ready) this.#run(runnable);
    this.#isPassing = false;
    if (this.#isOpen) this.#schedule();
    else this.#end();
  };

  #run(runnable: Runnable): void {
    let state: ReturnType<Runnable["run"]>;
    try {
      state = runnable.run(BUDGET);
    } catch (error) {
      this.#onFailure(error);
      return;
    }
    if (state === "more") this.wake(runnable);
    else if (state === "awaiting" && !this.#isOpen) {
      this.#isOpen = true;
      this.#openedAt = this.#clock.now();
      this.#continued = 0;
    }
  }

  #end(): void {
    this.#isOpen = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const flushable of dirty) this.#flush(flushable);
    this.#number++;
  }

  #flush(flushable: Flushable): void {
    try {
      flushable.flush();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(this.#pass);
  }
}

function rethrow(clock: Clock, error: unknown): void {
  clock.soon(() => {
    throw error;
  });
}
