/**
 * The turn loop of a server. A turn runs waiting events until no event waits, the budget is spent or the handler awaits, and then flushes
 * once each sender that has something to write. `wake` and `flushAtEnd` announce work and schedule a turn.
 */
import type { Clock } from "./clock.js";
import { ReusedList } from "./reused-list.js";

/** Has events to run: a route's handler. */
export interface Runnable {
  /** Runs up to `budget` events. The result says whether more events wait, or the handler awaits. */
  run(budget: number): "idle" | "more" | "awaiting";
}

/** Has something to write: a sender. */
export interface Flushable {
  flush(): void;
  /** Reads what `flush` will read; see `ReusedList.drain`. @returns any number that depends on what was read */
  peek?(): number;
}

/** Events per turn: enough for many sends to share a write, few enough that sockets are read in between. */
const MAX_EVENTS = 512;
/** A turn that has taken longer ends with the current event, so that sockets are served. */
export const LONG_TURN_MS = 10;

export class Turn {
  readonly #clock: Clock;
  #ready = new Set<Runnable>();
  /** The one that was woken last; the next turn runs it. */
  #woken: Runnable | undefined;
  #toFlush = new ReusedList<Flushable>();
  /** Takes what is announced while the list above is flushed. */
  #toFlushNext = new ReusedList<Flushable>();
  #isScheduled = false;
  /** Events are run by a pass, which flushes afterwards or schedules another. */
  #isPassing = false;
  #time: number | undefined;
  #number = 0;
  #passes = 0;
  /**
   * The turn is held open for a handler that awaits: most promises settle within the same tick, and the sends then share the turn's
   * writes.
   */
  #isOpen = false;
  #openedAt = 0;
  /** Runs that have resumed within the open turn, each after a settled event. */
  #resumed = 0;
  readonly #onFailure: (error: unknown) => void;

  /**
   * @param onFailure called with an error that a runnable or flushable has thrown, which is a fault of Sendall's own code: the rest is
   * run and flushed all the same. Default: throws the error again in a step of its own.
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

  /** Whether events are run by a pass: nothing is read from a socket before the pass is over. */
  get isPassing(): boolean {
    return this.#isPassing;
  }

  /** How many passes are over. */
  get passes(): number {
    return this.#passes;
  }

  wake(runnable: Runnable): void {
    // Called for each event, and most often for the same handler.
    if (this.#woken === runnable) return;
    this.#woken = runnable;
    this.#ready.add(runnable);
    this.#schedule();
  }

  flushAtEnd(flushable: Flushable): void {
    this.#toFlush.push(flushable);
    // The pass under way flushes at its end.
    if (!this.#isPassing) this.#schedule();
  }

  /** Like `flushAtEnd`, but ahead of all that is to be flushed so far. */
  flushFirst(flushable: Flushable): void {
    this.#toFlush.pushFirst(flushable);
    if (!this.#isPassing) this.#schedule();
  }

  /** The event that `runnable` awaited is settled: `runnable` goes on within the turn, if the turn is still open. */
  settled(runnable: Runnable): void {
    const isSameTurn =
      this.#isOpen && this.#resumed++ < MAX_EVENTS && this.#clock.now() - this.#openedAt < LONG_TURN_MS;
    if (isSameTurn) this.#run(runnable);
    else this.wake(runnable);
  }

  readonly #runTurn = (): void => {
    this.#isScheduled = false;
    this.#time = undefined;
    this.#isPassing = true;
    if (this.#isOpen) this.#finishTurn();
    const ready = this.#ready;
    this.#ready = new Set();
    this.#woken = undefined;
    for (const runnable of ready) this.#run(runnable);
    this.#isPassing = false;
    this.#passes++;
    if (this.#isOpen) this.#schedule();
    else this.#finishTurn();
  };

  #run(runnable: Runnable): void {
    let state: ReturnType<Runnable["run"]>;
    try {
      state = runnable.run(MAX_EVENTS);
    } catch (error) {
      this.#onFailure(error);
      return;
    }
    if (state === "more") this.wake(runnable);
    else if (state === "awaiting" && !this.#isOpen) {
      this.#isOpen = true;
      this.#openedAt = this.#clock.now();
      this.#resumed = 0;
    }
  }

  #finishTurn(): void {
    this.#isOpen = false;
    const toFlush = this.#toFlush;
    this.#toFlush = this.#toFlushNext;
    this.#toFlushNext = toFlush;
    toFlush.drain(this.#flush, peek);
    this.#number++;
  }

  readonly #flush = (flushable: Flushable): void => {
    try {
      flushable.flush();
    } catch (error) {
      this.#onFailure(error);
    }
  };

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(this.#runTurn);
  }
}

function peek(flushable: Flushable): number {
  return flushable.peek?.() ?? 0;
}

function rethrow(clock: Clock, error: unknown): void {
  clock.soon(() => {
    throw error;
  });
}
