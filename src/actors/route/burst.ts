/**
 * Bursts: messages that go to the same members one after another, in the same pass of the turn. The members of a burst hold the burst in
 * place of its frames, so each further message costs the same however many members there are. A burst is over as soon as a member
 * writes, is offered anything else, or stops.
 */
import type { Frame } from "../../transport/frame.js";

/** A longer burst is followed by another one, and a longer message is in none: the last burst of a route stays in memory. */
export const MAX_BURST_BYTES = 262_144;

export class Burst {
  readonly frames: Frame[] = [];
  /** The bytes of the frames on the wire. */
  bytes = 0;
  members = 0;
  /** The ids of those who get the same messages one by one: their outbox is full, or paced, has another burst, or takes no bytes. */
  readonly outsiders: string[] = [];
  isOver = false;
  /** With that many bytes the outbox of a member may be full. */
  #maxBytes = MAX_BURST_BYTES;
  #isTextOnly = false;
  /** The frames that the last member had before, and those with the burst's. Most members have had the same. */
  #before: readonly Frame[] | undefined;
  #joined: readonly Frame[] = this.frames;

  constructor(first: Frame) {
    this.add(first);
  }

  /** @param freeBytes how many bytes the outbox of the member still takes */
  join(freeBytes: number, isTextOnly: boolean): void {
    this.members++;
    if (freeBytes < this.#maxBytes) this.#maxBytes = freeBytes;
    if (isTextOnly) this.#isTextOnly = true;
  }

  /** Whether a frame is no text. */
  get hasBytes(): boolean {
    return this.frames.some(({ data }) => typeof data !== "string");
  }

  /** Whether each member would queue the frame. */
  takes(frame: Frame): boolean {
    if (this.members === 0 || this.isOver || this.bytes + frame.wireBytes >= MAX_BURST_BYTES) return false;
    return this.bytes < this.#maxBytes && !(this.#isTextOnly && typeof frame.data !== "string");
  }

  add(frame: Frame): void {
    this.frames.push(frame);
    this.bytes += frame.wireBytes;
  }

  /**
   * The frames of a member, in a list that other members may share. Only for a burst that is over.
   *
   * @param before what the member had before the burst
   */
  after(before: readonly Frame[] | undefined): readonly Frame[] {
    if (before !== this.#before) {
      this.#before = before;
      this.#joined = before === undefined ? this.frames : [...before, ...this.frames];
    }
    return this.#joined;
  }
}
