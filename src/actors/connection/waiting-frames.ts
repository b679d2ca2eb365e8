/**
 * The frames that wait in an outbox, oldest first. The base class of `Sender`, and no object of its own, since each silent connection would
 * keep one. Ends with `clear`.
 */
import type { Frame } from "../../transport/frame.js";
import type { Burst } from "../route/burst.js";

export abstract class WaitingFrames {
  /** Without the frames of the burst; frames before `#first` are gone. A list of one frame is shared. */
  #list: readonly Frame[] | undefined;
  #first = 0;
  /** The bytes of the list on the wire. */
  #bytes = 0;
  /** Comes after the list. */
  #burst: Burst | undefined;

  /** @param bytes how many bytes more wait than before */
  protected abstract onWaiting(bytes: number): void;

  /** How many messages wait. */
  get waiting(): number {
    return (this.#list?.length ?? 0) - this.#first + (this.#burst?.frames.length ?? 0);
  }

  protected get waitingBytes(): number {
    return this.#burst === undefined ? this.#bytes : this.#bytes + this.#burst.bytes;
  }

  protected get isInBurst(): boolean {
    return this.#burst !== undefined;
  }

  protected add(frame: Frame): void {
    if (this.#burst !== undefined) this.endBurst();
    this.append(frame);
    this.#bytes += frame.wireBytes;
    this.onWaiting(frame.wireBytes);
  }

  /** Lets a burst wait, with the frames that it has and those that it gets. Not to be called while another burst waits. */
  protected addBurst(burst: Burst): void {
    this.#burst = burst;
    this.onWaiting(burst.bytes);
  }

  /** Ends the burst, and keeps its frames. */
  protected endBurst(): void {
    const burst = this.#burst;
    if (burst === undefined) return;
    burst.isOver = true;
    this.#burst = undefined;
    for (const frame of burst.frames) this.append(frame);
    this.#bytes += burst.bytes;
  }

  /** Takes every frame out. @returns `undefined` if none waits */
  protected takeAll(): readonly Frame[] | undefined {
    const burst = this.#burst;
    const rest = this.rest();
    this.clear();
    return burst === undefined ? rest : burst.after(rest);
  }

  /** Takes so many bytes out, and at least a frame; called by paced writing. */
  take(maxBytes: number): readonly Frame[] {
    this.endBurst();
    const list = this.#list;
    if (list === undefined) return [];
    let end = this.#first;
    let bytes = 0;
    while (end < list.length && bytes < maxBytes) bytes += list[end++]?.wireBytes ?? 0;
    const frames = list.slice(this.#first, end);
    this.remove(bytes);
    this.#first = end;
    this.compact(list);
    return frames;
  }

  /** @returns `false` if none waits */
  protected dropFirst(): boolean {
    this.endBurst();
    const oldest = this.#list?.[this.#first];
    if (this.#list === undefined || oldest === undefined) return false;
    this.#first++;
    this.remove(oldest.wireBytes);
    this.compact(this.#list);
    return true;
  }

  protected clear(): void {
    const bytes = this.waitingBytes;
    if (this.#burst !== undefined) this.#burst.isOver = true;
    this.#burst = undefined;
    this.#list = undefined;
    this.#first = 0;
    this.#bytes = 0;
    this.onWaiting(-bytes);
  }

  private append(frame: Frame): void {
    if (this.#list === undefined) this.#list = frame.alone;
    else if (this.#list.length === 1) this.#list = [...this.#list, frame];
    else (this.#list as Frame[]).push(frame);
  }

  private rest(): readonly Frame[] | undefined {
    return this.#first === 0 ? this.#list : this.#list?.slice(this.#first);
  }

  /** Compacts only once half the list is empty: moving the waiting frames at each message would be costly. */
  private compact(list: readonly Frame[]): void {
    if (this.#first === list.length) this.clear();
    else if (this.#first * 2 >= list.length) {
      this.#list = list.slice(this.#first);
      this.#first = 0;
    }
  }

  private remove(bytes: number): void {
    this.#bytes -= bytes;
    this.onWaiting(-bytes);
  }
}
