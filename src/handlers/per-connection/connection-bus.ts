/**
 * The bus as the actor of one connection has it: its alarms ring for that connection, and the end of that connection cuts short a
 * sleep that is under way.
 */
import type { RouteBus } from "../../actors/route/bus.js";
import type { Bus, Cancel, Receipt, RoomOption } from "../../api/bus.js";
import type { Connection, ConnectionRef, Data } from "../../api/connection.js";

export class ConnectionBus implements Bus {
  readonly #bus: RouteBus;
  readonly #connection: Connection;
  readonly #isOnItsOwn: () => boolean;

  /** @param isOnItsOwn whether nobody could tell the actor of the end of its connection: it must not sleep after it */
  constructor(bus: RouteBus, connection: Connection, isOnItsOwn: () => boolean = () => false) {
    this.#bus = bus;
    this.#connection = connection;
    this.#isOnItsOwn = isOnItsOwn;
  }

  after(ms: number, data: unknown, to: ConnectionRef = this.#connection): Cancel {
    return this.#bus.after(ms, data, to);
  }

  sleep(ms: number): Promise<void> {
    const { signal } = this.#connection;
    if (!signal.aborted) return this.#bus.sleep(ms, signal);
    return this.#isOnItsOwn() ? Promise.reject(signal.reason) : this.#bus.sleep(ms);
  }

  /** Sends its connection a pong. */
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
