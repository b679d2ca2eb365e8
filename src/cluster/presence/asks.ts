/**
 * The questions to other nodes that wait for an answer: which rooms of which owner. Belongs to the exchange of a bus; `stop` cancels the
 * timer.
 */
import type { Clock, Timer } from "../../runtime/clock.js";

/** A question or its answer may be lost. */
const REPEAT_MS = 1_000;
/** Then the next beat of the owner asks again. */
const MAX_REPEATS = 5;

export interface AsksListener {
  send(node: string, rooms: readonly string[]): void;
  /** The node has not answered. */
  onUnanswered(node: string, room: string): void;
}

interface Waiting {
  repeats: number;
  askedAt: number;
}

export class Asks {
  readonly #clock: Clock;
  readonly #listener: AsksListener;
  /** By node and room. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  #timer: Timer | undefined;

  constructor(clock: Clock, listener: AsksListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Asks for the rooms that the node has not been asked for yet. */
  ask(node: string, rooms: Iterable<string>): void {
    const waiting = this.#waiting.get(node) ?? new Map<string, Waiting>();
    const fresh = [...rooms].filter((room) => !waiting.has(room));
    if (fresh.length === 0) return;
    const askedAt = this.#clock.now();
    for (const room of fresh) waiting.set(room, { repeats: 0, askedAt });
    this.#waiting.set(node, waiting);
    this.#listener.send(node, fresh);
    this.#arm();
  }

  /** A part of the answer has come: the rest is on its way. */
  postpone(node: string, room: string): void {
    const waiting = this.#waiting.get(node)?.get(room);
    if (waiting !== undefined) waiting.askedAt = this.#clock.now();
  }

  /** The state of the room at the node is known now. */
  settle(node: string, room: string): void {
    const waiting = this.#waiting.get(node);
    if (waiting?.delete(room) && waiting.size === 0) this.#waiting.delete(node);
    if (this.#waiting.size === 0) this.stop();
  }

  forgetRoom(room: string): void {
    for (const node of [...this.#waiting.keys()]) this.settle(node, room);
  }

  forgetNode(node: string): void {
    this.#waiting.delete(node);
    if (this.#waiting.size === 0) this.stop();
  }

  stop(): void {
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(REPEAT_MS, () => this.#repeat());
  }

  #repeat(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const [node, waiting] of this.#waiting) {
      const again: string[] = [];
      for (const [room, state] of waiting) {
        if (now - state.askedAt < REPEAT_MS) continue;
        if (state.repeats === MAX_REPEATS) {
          waiting.delete(room);
          this.#listener.onUnanswered(node, room);
          continue;
        }
        state.repeats++;
        state.askedAt = now;
        again.push(room);
      }
      if (waiting.size === 0) this.#waiting.delete(node);
      if (again.length > 0) this.#listener.send(node, again);
    }
    if (this.#waiting.size > 0) this.#arm();
  }
}
