/**
 * A queue of frames that grows as needed and otherwise reuses its memory: a busy session keeps and forgets frames all the time.
 * `KeptFrames` makes a ring for each session.
 */
import type { Frame } from "./frame.js";

const MIN_SLOTS = 16;
/** An empty ring with more slots gives its memory back. */
const MAX_IDLE_SLOTS = 128;

/** Longer lists are kept frame by frame. A list keeps all of its frames in memory, and is copied when a part is removed. */
const MAX_LIST = 64;

/** A frame, or frames that were written together. */
type Slot = Frame | readonly Frame[];

/**
 * The last list of any ring. The sessions of a room are sent the same frames in the same turn, so one list serves all of their rings, and
 * each session touches a single slot.
 */
let lastList: readonly Frame[] = [];

function sharedList(frames: readonly Frame[]): readonly Frame[] {
  const last = lastList;
  if (frames.length !== last.length || !frames.every((frame, i) => frame === last[i])) lastList = frames;
  return lastList;
}

function framesOf(slot: Slot | undefined): readonly Frame[] {
  if (slot === undefined) return [];
  return "length" in slot ? slot : [slot];
}

export function bytesOf(frames: readonly Frame[]): number {
  let bytes = 0;
  for (const { wireBytes } of frames) bytes += wireBytes;
  return bytes;
}

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

  /** The list MUST NOT change afterwards. @param bytes of the frames together */
  push(frames: readonly Frame[], bytes: number): void {
    if (frames.length > MAX_LIST) for (const frame of frames) this.#keep(frame);
    else if (frames.length > 0) this.#keep(frames.length === 1 ? (frames[0] as Frame) : sharedList(frames));
    this.#size += frames.length;
    this.#bytes += bytes;
  }

  /** Removes the first `count` frames, of which there MUST be as many. */
  shift(count: number): void {
    const slots = this.#slots;
    for (let left = count; left > 0; ) {
      const frames = framesOf(slots[this.#first]);
      if (left < frames.length) {
        this.#bytes -= bytesOf(frames.slice(0, left));
        slots[this.#first] = frames.slice(left);
        break;
      }
      left -= frames.length;
      this.#bytes -= bytesOf(frames);
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
      const frames = framesOf(this.#slots[(this.#first + i) & (this.#slots.length - 1)]);
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
