/**
 * A queue of frames that grows as needed and otherwise reuses its memory: a busy session keeps and forgets frames all the time.
 * `KeptFrames` makes a ring for each session.
 */
import type { Frame } from "./frame.js";
import { FrameList, MAX_SHARED_FRAMES } from "./frame-list.js";

const MIN_SLOTS = 16;
/** An empty ring with more slots gives its memory back. */
const MAX_IDLE_SLOTS = 128;

/** Frames that were written together take a single slot of each session of a room. */
type Slot = Frame | FrameList;

export class FrameRing {
  /** The number of slots is a power of 2, or 0. */
  #slots: (Slot | undefined)[] = [];
  #first = 0;
  #used = 0;
  #size = 0;
  #bytes = 0;

  /** How many frames there are. */
  get size(): number {
    return this.#size;
  }

  /** The bytes of the frames as plain sockets get the frames. */
  get bytes(): number {
    return this.#bytes;
  }

  push(list: FrameList): void {
    const { frames, bytes } = list;
    const isKeptWhole = frames.length > 1 && frames.length <= MAX_SHARED_FRAMES;
    if (isKeptWhole) this.#keep(list);
    else for (const frame of frames) this.#keep(frame);
    this.#size += frames.length;
    this.#bytes += bytes;
  }

  pushFrame(frame: Frame): void {
    this.#keep(frame);
    this.#size++;
    this.#bytes += frame.wireBytes;
  }

  /** Removes the first `count` frames, of which there MUST be as many. */
  shift(count: number): void {
    const slots = this.#slots;
    for (let left = count; left > 0; ) {
      const slot = slots[this.#first] as Slot;
      const size = slot instanceof FrameList ? slot.frames.length : 1;
      if (slot instanceof FrameList && left < size) {
        const rest = slot.without(left);
        this.#bytes -= slot.bytes - rest.bytes;
        slots[this.#first] = rest;
        break;
      }
      left -= size;
      this.#bytes -= slot instanceof FrameList ? slot.bytes : slot.wireBytes;
      slots[this.#first] = undefined;
      this.#first = (this.#first + 1) & (slots.length - 1);
      this.#used--;
    }
    this.#size -= count;
    if (this.#size === 0 && slots.length > MAX_IDLE_SLOTS) this.clear();
  }

  /** The frames from an index on whose bytes reach `maxBytes`, or all to the end. */
  from(index: number, maxBytes: number): Frame[] {
    const taken: Frame[] = [];
    let skipped = index;
    let bytes = 0;
    for (let i = 0; i < this.#used && bytes < maxBytes; i++) {
      const slot = this.#slots[(this.#first + i) & (this.#slots.length - 1)] as Slot;
      const frames = slot instanceof FrameList ? slot.frames : [slot];
      for (let j = skipped; j < frames.length && bytes < maxBytes; j++) {
        const frame = frames[j] as Frame;
        taken.push(frame);
        bytes += frame.wireBytes;
      }
      skipped = Math.max(0, skipped - frames.length);
    }
    return taken;
  }

  clear(): void {
    this.#slots = [];
    this.#first = 0;
    this.#used = 0;
    this.#size = 0;
    this.#bytes = 0;
  }

  #keep(slot: Slot): void {
    if (this.#used === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#used++) & (this.#slots.length - 1)] = slot;
  }

  #grow(): void {
    const { length } = this.#slots;
    const slots = Array.from({ length: Math.max(MIN_SLOTS, length * 2) }, (_, i) =>
      i < length ? this.#slots[(this.#first + i) & (length - 1)] : undefined,
    );
    this.#slots = slots;
    this.#first = 0;
  }
}
