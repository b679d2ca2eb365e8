/**
 * One direction of a connection in memory. `link.ts` joins both ends of a connection with a pair of pipes; a pipe works until `terminate`.
 */
import type { Clock, Timer } from "../../runtime/clock.js";
import { Fifo } from "../../runtime/fifo.js";
import type { DeliveryQueue } from "./contracts.js";

interface Delayed<T> {
  readonly item: T;
  readonly due: number;
}

/**
 * Delivers items in order, and none while the reader has paused. Each delivery is a step of the clock, or, with a scheduler of
 * deliveries, happens when the scheduler calls `deliver`.
 */
export class MemoryPipe<T> implements DeliveryQueue<T> {
  readonly #clock: Clock;
  readonly #onItem: (item: T) => boolean;
  readonly #isScheduled: boolean;
  readonly #items = new Fifo<T>();
  /** With a latency: items whose time has not come, and the alarm for the first of the items. */
  readonly #delayed = new Fifo<Delayed<T>>();
  #arrival: Timer | undefined;
  /** Deliveries waiting in the clock. */
  #pendingSteps = 0;
  #isPaused = false;
  #isTerminated = false;
  /** How many milliseconds an item pushed from now on takes. */
  latencyMs = 0;

  /**
   * @param onItem says whether the reader has taken the item whole; if not, the item is delivered again
   * @param isScheduled whether a scheduler calls {@link deliver}
   */
  constructor(clock: Clock, onItem: (item: T) => boolean, isScheduled: boolean) {
    this.#clock = clock;
    this.#onItem = onItem;
    this.#isScheduled = isScheduled;
  }

  /** Nothing is on its way. */
  get isEmpty(): boolean {
    return this.#items.size + this.#delayed.size === 0;
  }

  get next(): T | undefined {
    return this.#isPaused ? undefined : this.#items.first;
  }

  push(item: T): void {
    if (this.#isTerminated) return;
    if (this.latencyMs === 0 && this.#delayed.size === 0) {
      this.#items.push(item);
      this.#schedule();
      return;
    }
    // The item waits for every earlier item, even if an earlier item has a longer latency.
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
    this.#items.clear();
    this.#delayed.clear();
    this.#arrival?.cancel();
    this.#arrival = undefined;
  }

  /** Discards everything on its way; nothing can be sent any more. */
  terminate(): void {
    this.#isTerminated = true;
    this.clear();
  }

  deliver(): void {
    const item = this.next;
    if (item === undefined) return;
    // The reader may have terminated this pipe meanwhile.
    if (this.#onItem(item) && this.#items.first === item) this.#items.shift();
  }

  #setArrivalAlarm(): void {
    const first = this.#delayed.first;
    if (first === undefined || this.#arrival !== undefined) return;
    this.#arrival = this.#clock.after(first.due - this.#clock.now(), this.#onArrival);
  }

  readonly #onArrival = (): void => {
    this.#arrival = undefined;
    const now = this.#clock.now();
    for (let first = this.#delayed.first; first !== undefined && first.due <= now; first = this.#delayed.first) {
      this.#delayed.shift();
      this.#items.push(first.item);
    }
    this.#schedule();
    this.#setArrivalAlarm();
  };

  #schedule(): void {
    if (this.#isScheduled) return;
    while (!this.#isPaused && this.#pendingSteps < this.#items.size) {
      this.#pendingSteps++;
      this.#clock.soon(this.#step);
    }
  }

  readonly #step = (): void => {
    this.#pendingSteps--;
    this.deliver();
  };
}
