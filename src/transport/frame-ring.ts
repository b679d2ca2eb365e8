/**
 * A queue of frames that grows as needed and otherwise reuses its memory: a busy session keeps and forgets frames all the time.
 * `KeptFrames` makes a ring for each session.
 */
import type { Frame } from "./frame.js";

const MIN_SLOTS = 16;
/** An empty ring with more slots gives its memory back. */
const MAX_IDLE_SLOTS = 128;

export class FrameRing {
  /** The number of slots is a power of 2, or 0. */
  #slots: (Frame | undefined)[] = [];
  #first = 0;
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  /** The bytes of the frames as plain sockets get the frames. */
  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Frame): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#size++) & (this.#slots.length - 1)] = frame;
    this.#bytes += frame.wire.length;
  }

  /** Removes the first `count` frames, of which there MUST be as many. */
  shift(count: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let i = 0; i < count; i++) {
      const slot = (this.#first + i) & mask;
      this.#bytes -= slots[slot]?.wire.length ?? 0;
      slots[slot] = undefined;
    }
    this.#first = (this.#first + count) & mask;
    this.#size -= count;
    if (this.#size === 0 && slots.length > MAX_IDLE_SLOTS) this.clear();
  }

  /** The frames from an index on whose bytes reach `maxBytes`, or all to the end. */
  from(index: number, maxBytes: number): Frame[] {
    const frames: Frame[] = [];
    const mask = this.#slots.length - 1;
    for (let i = index, bytes = 0; i < this.#size && bytes < maxBytes; i++) {
      const frame = this.#slots[(this.#first + i) & mask];
      if (frame === undefined) break;
      frames.push(frame);
      bytes += frame.wire.length;
    }
    return frames;
  }

  clear(): void {
    this.#slots = [];
    this.#first = 0;
    this.#size = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const frames = this.from(0, Number.POSITIVE_INFINITY);
    const slots = Math.max(MIN_SLOTS, this.#slots.length * 2);
    this.#slots = frames;
    for (let i = frames.length; i < slots; i++) this.#slots.push(undefined);
    this.#first = 0;
  }
}
