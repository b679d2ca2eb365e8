/**
 * The presence of every bus of a node that shares its presence, by scope. Belongs to the relay and lasts as long; a node without the option
 * `presence` has an empty table, sends nothing and sets no timer.
 */
import type { Clock } from "../../runtime/clock.js";
import type { Flushable, Turn } from "../../runtime/turn.js";
import { PresenceExchange, type PresencePlace, type PresenceRelay } from "./exchange.js";
import type { PresenceOwner, SharedPresence } from "./shared-presence.js";

/** A room whose messages arrive from now on. */
export interface ConfirmedRoom {
  readonly scope: string;
  /** Absent: the whole bus. */
  readonly room: string | undefined;
}

export interface SharedPresencesParts {
  readonly relay: PresenceRelay;
  readonly clock: Clock;
  readonly turn: Turn;
}

export class SharedPresences implements Flushable {
  readonly #parts: SharedPresencesParts;
  readonly #exchanges = new Map<string, PresenceExchange>();
  /** Rooms to ask for at the end of the turn. */
  readonly #confirmed = new Map<PresenceExchange, Set<string>>();

  constructor(parts: SharedPresencesParts) {
    this.#parts = parts;
  }

  share(scope: string, owner: PresenceOwner): SharedPresence {
    const { relay, clock } = this.#parts;
    const exchange = new PresenceExchange({ relay, clock, scope, owner });
    this.#exchanges.set(scope, exchange);
    return exchange;
  }

  /** @returns `false` for what is no message; a message for a bus without presence is skipped */
  receive(node: string, scope: string, place: PresencePlace, bytes: Uint8Array): boolean {
    return this.#exchanges.get(scope)?.receive(node, place, bytes) ?? true;
  }

  /** Asks for the room at the end of the turn: a room may empty and fill again within a turn. */
  onConfirmed({ scope, room }: ConfirmedRoom): void {
    const exchange = this.#exchanges.get(scope);
    if (exchange === undefined || room === undefined) return;
    if (this.#confirmed.size === 0) this.#parts.turn.flushAtEnd(this);
    const rooms = this.#confirmed.get(exchange);
    if (rooms === undefined) this.#confirmed.set(exchange, new Set([room]));
    else rooms.add(room);
  }

  /** The link is up again. */
  onUp(): void {
    for (const exchange of this.#exchanges.values()) exchange.onUp();
  }

  flush(): void {
    const confirmed = [...this.#confirmed];
    this.#confirmed.clear();
    for (const [exchange, rooms] of confirmed) for (const room of rooms) exchange.onConfirmed(room);
  }
}
