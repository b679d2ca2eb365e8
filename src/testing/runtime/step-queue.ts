/**
 * The steps that wait in a clock that is driven by hand, in order. A ring: unlike the queues of connections, the queue is emptied and
 * filled all the time, and keeps its memory.
 */
import type { ClockStep } from "../memory-transport/contracts.js";

/** A power of two, as every capacity: the place after the last is the first. */
const FIRST_CAPACITY = 64;

export class StepQueue {
  #steps: ((() => void) | ClockStep | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(step: (() => void) | ClockStep): void {
    if (this.#size === this.#steps.length) this.#grow();
    this.#steps[(this.#head + this.#size++) & (this.#steps.length - 1)] = step;
  }

  shift(): (() => void) | ClockStep | undefined {
    if (this.#size === 0) return undefined;
    const step = this.#steps[this.#head];
    this.#steps[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#steps.length - 1);
    this.#size--;
    return step;
  }

  #grow(): void {
    const { length } = this.#steps;
    const inOrder = [...this.#steps.slice(this.#head), ...this.#steps.slice(0, this.#head)];
    this.#steps = [...inOrder, ...new Array(length).fill(undefined)];
    this.#head = 0;
  }
}
