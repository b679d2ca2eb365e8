/**
 * The owner of whatever code leaves behind in an event of a connection: timers, promises, listeners. An owner is made for an event, or for
 * the messages that a connection has sent in a row, and knows the connection by id only. So nothing that is left behind keeps an ended
 * connection in memory, and no silent connection keeps an owner.
 */
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Clock } from "../../runtime/clock.js";
import type { LeakKind, LeakOwner } from "../../runtime/unhandled-rejections.js";

/** The parts shared by the events of a route. */
export interface EventOwnerParts {
  readonly clock: Clock;
  readonly population: { findPresent(id: string): Connection | undefined };
  readonly leaked: (error: unknown, kind: LeakKind, connection: Connection | undefined) => void;
}

export class EventOwner implements LeakOwner {
  readonly connection: ConnectionId;
  readonly #parts: EventOwnerParts;

  constructor(parts: EventOwnerParts, connection: ConnectionId) {
    this.connection = connection;
    this.#parts = parts;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  leaked(error: unknown, kind: LeakKind): void {
    const { leaked, population } = this.#parts;
    leaked(error, kind, population.findPresent(this.connection));
  }
}
