/**
 * The numbers of this node's entries: a counter of the bus which only goes up, and the number of each room with entries. Belongs to the
 * exchange of the bus, and lasts as long.
 */
import type { RoomNumber } from "./messages.js";

/** Beats name the rooms that have changed in this time: six beats, so that a node has to miss six in a row to miss a change. */
const RECENT_MS = 60_000;

export class OwnNumbers {
  /** The number of the latest change. */
  counter = 0;
  readonly #numbers = new Map<string, number>();
  /** By room: when the room has changed. The room that changed longest ago is the first. */
  readonly #changedAt = new Map<string, number>();

  /** 0 for a room without entries. */
  of(room: string): number {
    return this.#numbers.get(room) ?? 0;
  }

  /** @returns the numbers before and after a change */
  advance(room: string, now: number): { readonly from: number; readonly to: number } {
    const from = this.of(room);
    const to = ++this.counter;
    this.#numbers.set(room, to);
    this.#changedAt.delete(room);
    this.#changedAt.set(room, now);
    return { from, to };
  }

  /** The last entry of the room has gone. */
  empty(room: string): void {
    this.#numbers.delete(room);
  }

  /** Forgets which rooms changed more than 60 s ago. */
  forgetOld(now: number): void {
    for (const [room, changedAt] of this.#changedAt) {
      if (now - changedAt <= RECENT_MS) break;
      this.#changedAt.delete(room);
    }
  }

  /** The rooms that have changed lately, with their numbers. */
  recent(): RoomNumber[] {
    return Array.from(this.#changedAt.keys(), (room) => [room, this.of(room)]);
  }

  /** Whether there is anything to tell: entries, or rooms that have changed lately. */
  get isEmpty(): boolean {
    return this.#numbers.size === 0 && this.#changedAt.size === 0;
  }
}
