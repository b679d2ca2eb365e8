/** The bus as the actor of one connection has it: its alarms ring for that connection, and its sleep ends with it. */
import type { RouteBus } from "../bus/bus.js";
import type { Bus, Cancel, Connection, ConnectionRef, Data, Receipt, RoomOption } from "../events.js";

export class ActorBus implements Bus {
  readonly #bus: RouteBus;
  readonly #connection: Connection;

  constructor(bus: RouteBus, connection: Connection) {
    this.#bus = bus;
    this.#connection = connection;
  }

  after(ms: number, data: unknown, to: ConnectionRef = this.#connection): Cancel {
    return this.#bus.after(ms, data, to);
  }

  sleep(ms: number): Promise<void> {
    return this.#bus.sleep(ms, this.#connection.signal);
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
