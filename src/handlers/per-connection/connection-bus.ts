/**
 * The bus for the actor of a connection. By default the data of `after` and `every` goes to the connection, and the end of the connection cuts a
 * `sleep` short. A bus lives as long as the actor.
 */
import type { RouteBus } from "../../actors/route/bus.js";
import type { Bus, Cancel, Receipt, RoomOption } from "../../api/bus.js";
import type { Connection, ConnectionRef, Data } from "../../api/connection.js";
import type { HistoryRange, HistoryResult } from "../../api/history.js";
import type { PresentCount, PresentKey } from "../../api/presence.js";

export class ConnectionBus implements Bus {
  readonly #bus: RouteBus;
  readonly #connection: Connection;
  readonly #isUntimed: () => boolean;

  /** @param isUntimed whether no event could tell the actor of the connection's end, so that a `sleep` after the end must reject */
  constructor(bus: RouteBus, connection: Connection, isUntimed: () => boolean = () => false) {
    this.#bus = bus;
    this.#connection = connection;
    this.#isUntimed = isUntimed;
  }

  after(ms: number, data: unknown, to: ConnectionRef = this.#connection): Cancel {
    return this.#bus.after(ms, data, to);
  }

  every(ms: number, data: unknown, to: ConnectionRef = this.#connection): Cancel {
    return this.#bus.every(ms, data, to);
  }

  sleep(ms: number): Promise<void> {
    const { signal } = this.#connection;
    if (!signal.aborted) return this.#bus.sleep(ms, signal);
    return this.#isUntimed() ? Promise.reject(signal.reason) : this.#bus.sleep(ms);
  }

  /** Sends a pong to the connection of this bus. */
  pong(data: Data | undefined): boolean {
    return this.#bus.find(this.#connection)?.pong(data) ?? false;
  }

  unicast(data: Data, to: ConnectionRef): Receipt {
    return this.#bus.unicast(data, to);
  }
  broadcast(data: Data, source: ConnectionRef, options?: RoomOption): Receipt {
    return this.#bus.broadcast(data, source, options);
  }
  sendall(data: Data, options?: RoomOption): Receipt {
    return this.#bus.sendall(data, options);
  }
  join(connection: ConnectionRef, room: string): boolean {
    return this.#bus.join(connection, room);
  }
  leave(connection: ConnectionRef, room: string): boolean {
    return this.#bus.leave(connection, room);
  }
  members(room: string): Connection[] {
    return this.#bus.members(room);
  }
  rooms(): string[] {
    return this.#bus.rooms();
  }
  present(room: string): PresentKey[] {
    return this.#bus.present(room);
  }
  presentCount(room: string): PresentCount {
    return this.#bus.presentCount(room);
  }
  history(room: string, range?: HistoryRange): Promise<HistoryResult> {
    return this.#bus.history(room, range);
  }
  connections(): Connection[] {
    return this.#bus.connections();
  }
  tell(data: unknown, to?: ConnectionRef): boolean {
    return this.#bus.tell(data, to);
  }
  now(): number {
    return this.#bus.now();
  }
  close(to: ConnectionRef, code?: number, reason?: string): boolean {
    return this.#bus.close(to, code, reason);
  }
}
