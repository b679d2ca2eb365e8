/**
 * One direction of a connection in memory. `link.ts` joins both ends of a connection with a pair of pipes; a pipe works until `terminate`.
 */
import type { Timer } from "../../runtime/clock.js";
import { Fifo } from "../../runtime/fifo.js";
import type { ClockStep, DeliveryQueue, Reader, StepClock } from "./contracts.js";

interface Delayed<T> {
  readonly item: T;
  readonly due: number;
}

/**
 * Delivers items in order, and none while the reader has paused. Each delivery is a step of the clock, or, with a scheduler of
 * deliveries, happens when the scheduler calls `deliver`.
 */
export class MemoryPipe<T extends object> implements DeliveryQueue<T>, ClockStep {
  /** The next item, and the items behind it: most often a single item is on its way, for which no list is read. */
  #first: T | undefined;
  #others: Fifo<T> | undefined;
  readonly #reader: Reader<T>;
  /** Deliveries waiting in the clock. */
  #pendingSteps = 0;
  #isPaused = false;
  #isTerminated = false;
  readonly #isScheduled: boolean;
  /** The reader takes a limited number of bytes: the reader's own note, for the writer. */
  isLimited = false;
  /** How many milliseconds an item pushed from now on takes. */
  latencyMs = 0;
  readonly #clock: StepClock;
  /** With a latency: items whose time has not come, and the alarm for the first of the items. */
  #delayed: Fifo<Delayed<T>> | undefined;
  #arrival: Timer | undefined;

  /** @param isScheduled whether a scheduler calls {@link deliver} */
  constructor(clock: StepClock, reader: Reader<T>, isScheduled: boolean) {
    this.#clock = clock;
    this.#reader = reader;
    this.#isScheduled = isScheduled;
  }

  /** Nothing is on its way. */
  get isEmpty(): boolean {
    return this.#first === undefined && this.#delayed === undefined;
  }

  get next(): T | undefined {
    return this.#isPaused ? undefined : this.#first;
  }

  push(item: T): void {
    if (this.#isTerminated) return;
    if (this.latencyMs === 0 && this.#delayed === undefined) {
      const isNext = this.#first === undefined;
      this.#add(item);
      if (isNext && this.#pendingSteps === 0 && !this.#isPaused) this.#addStep();
      else this.#schedule();
      return;
    }
    // The item waits for every earlier item, even if an earlier item has a longer latency.
    this.#delayed ??= new Fifo();
    this.#delayed.push({ item, due: this.#clock.now() + this.latencyMs });
    this.#setArrivalAlarm();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** Discards everything on its way. */
  clear(): void {
    this.#first = undefined;
    this.#others = undefined;
    this.#delayed = undefined;
    this.#arrival?.cancel();
    this.#arrival = undefined;
  }

  /** Discards everything on its way; nothing can be sent any more. */
  terminate(): void {
    this.#isTerminated = true;
    this.clear();
  }

  /** Called by the clock. */
  run(): void {
    this.#pendingSteps--;
    this.deliver();
  }

  deliver(): void {
    const item = this.next;
    if (item === undefined) return;
    // The reader may have terminated this pipe meanwhile.
    if (this.#reader.receive(item) && this.#first === item) this.#first = this.#others?.shift();
  }

  #add(item: T): void {
    if (this.#first === undefined) this.#first = item;
    else {
      this.#others ??= new Fifo();
      this.#others.push(item);
    }
  }

  #setArrivalAlarm(): void {
    const first = this.#delayed?.first;
    if (first === undefined || this.#arrival !== undefined) return;
    this.#arrival = this.#clock.after(first.due - this.#clock.now(), this.#onArrival);
  }

  readonly #onArrival = (): void => {
    this.#arrival = undefined;
    const now = this.#clock.now();
    const delayed = this.#delayed;
    for (let first = delayed?.first; first !== undefined && first.due <= now; first = delayed?.first) {
      delayed?.shift();
      this.#add(first.item);
    }
    if (delayed?.size === 0) this.#delayed = undefined;
    this.#schedule();
    this.#setArrivalAlarm();
  };

  #schedule(): void {
    const items = this.#first === undefined ? 0 : 1 + (this.#others?.size ?? 0);
    while (!this.#isPaused && this.#pendingSteps < items) this.#addStep();
  }

  #addStep(): void {
    this.#pendingSteps++;
    if (!this.#isScheduled) this.#clock.soon(this);
  }
}
