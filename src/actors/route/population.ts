/**
 * The connections of one route: open connections, by id and by room, and closing connections, each until the `closed` event has
 * been handled. Connections register here; the route and the bus read.
 */
import { type Registered, Registry } from "./registry.js";

export interface Resident extends Registered {
  readonly rooms: Iterable<string>;
}

export class Population<R extends Resident> extends Registry<R> {
  readonly #closing = new Set<R>();

  /** Every connection without a handled `closed`, open connections first. */
  present(): R[] {
    return [...this.all(), ...this.#closing];
  }

  /** The connections whose `closed` has still to be handled; may be read while connections come and go. */
  closing(): Iterable<R> {
    return this.#closing.values();
  }

  /** The connection with this id, until its `closed` has been handled. */
  findPresent(id: string): R | undefined {
    const open = this.byId.get(id);
    if (open !== undefined) return open;
    for (const resident of this.#closing) if (resident.id === id) return resident;
    return undefined;
  }

  get closingCount(): number {
    return this.#closing.size;
  }

  get isEmpty(): boolean {
    return this.size + this.#closing.size === 0;
  }

  /** The connection gets no messages from now on and is in no room; `closed` follows. @returns whether the connection was open */
  startClosing(resident: R): boolean {
    const wasOpen = this.remove(resident, resident.rooms);
    this.#closing.add(resident);
    return wasOpen;
  }

  /** The connection's `closed` has been handled. */
  unregister(resident: R): void {
    this.#closing.delete(resident);
  }
}
