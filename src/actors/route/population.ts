/**
 * The connections of one route: open connections, by id and by room, and closing connections, each until the `closed` event has
 * been handled. Connections register here; the route and the bus read.
 */
import { SlotMap } from "../../runtime/slot-map.js";
import { type Registered, Registry } from "./registry.js";

export interface Resident extends Registered {
  readonly rooms: Iterable<string>;
}

export class Population<R extends Resident> extends Registry<R> {
  readonly #closing = new SlotMap<string, R>();

  /** Every connection without a handled `closed`, open connections first. */
  present(): R[] {
    return [...this.all(), ...this.#closing.values()];
  }

  /** The connections whose `closed` has still to be handled; may be read while connections come and go. */
  closing(): Iterable<R> {
    return this.#closing.values();
  }

  /** The connection with this id, until its `closed` has been handled. */
  findPresent(id: string): R | undefined {
    return this.byId.get(id) ?? this.#closing.get(id);
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
    this.#closing.set(resident.id, resident);
    return wasOpen;
  }

  /** The connection's `closed` has been handled. */
  unregister(resident: R): void {
    this.#closing.delete(resident.id);
  }
}
