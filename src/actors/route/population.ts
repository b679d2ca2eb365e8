/**
 * The connections of one route: those that are open, by id and by room, and those that are closing and whose `closed` event has not been
 * handled. Connections register here; the route, the bus and the explorer of tests read.
 */
import { type Registered, Registry } from "./registry.js";

export interface Resident extends Registered {
  readonly rooms: Iterable<string>;
}

export class Population<R extends Resident> extends Registry<R> {
  readonly #closing = new Set<R>();

  /** Every connection whose `closed` has not been handled, open ones first. */
  present(): R[] {
    return [...this.all(), ...this.#closing];
  }

  findPresent(id: string): R | undefined {
    return this.find(id) ?? [...this.#closing].find((resident) => resident.id === id);
  }

  get isEmpty(): boolean {
    return this.size + this.#closing.size === 0;
  }

  /** The connection gets no messages from now on and is in no room; `closed` follows. */
  startClosing(resident: R): void {
    this.remove(resident, resident.rooms);
    this.#closing.add(resident);
  }

  /** The connection's `closed` has been handled. */
  unregister(resident: R): void {
    this.#closing.delete(resident);
  }
}
