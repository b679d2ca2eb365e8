/**
 * History in memory: what a route has if the options name no store. Each room has an epoch of its own: when a room goes and comes back, the old
 * positions mean nothing. The messages end with the server.
 */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep } from "../api/history-store.js";
import { MemoryRoom } from "./memory-room.js";
import { RoomOrder } from "./room-order.js";

export class MemoryHistory implements HistoryStore {
  readonly name = "memory";
  #host: HistoryHost | undefined;
  readonly #rooms = new RoomOrder<MemoryRoom>();

  open(host: HistoryHost): void {
    this.#host = host;
  }

  append(entry: MessageToKeep): string | undefined {
    const host = this.#host;
    if (host === undefined) return undefined;
    const room = this.#room(entry.room, host);
    const position = room.append(entry, host);
    this.#rooms.addFull(room);
    this.#rooms.evict(host.maxRooms);
    return position;
  }

  read(name: string, query: HistoryQuery): HistoryReading {
    const host = this.#opened();
    const now = host.clock.now();
    const room = this.#room(name, host);
    room.dropBefore(now - host.maxAgeMs);
    if (room.isEmpty) {
      this.#rooms.addEmpty(room, now);
      this.#rooms.evict(host.maxRooms);
    }
    return room.read(query);
  }

  trim(): void {
    const { clock, maxAgeMs } = this.#opened();
    const time = clock.now() - maxAgeMs;
    for (const room of this.#rooms.all()) {
      if (room.isEmpty) continue;
      if (room.isAllBefore(time)) this.#rooms.delete(room);
      else room.dropBefore(time);
    }
    this.#rooms.forgetBefore(time);
  }

  /** The room goes. A room of the same name has another epoch later. */
  forget(name: string): void {
    const room = this.#rooms.get(name);
    if (room !== undefined) this.#rooms.delete(room);
  }

  close(): void {
    this.#host = undefined;
    this.#rooms.clear();
  }

  #room(name: string, host: HistoryHost): MemoryRoom {
    return this.#rooms.get(name) ?? new MemoryRoom(name, host.newEpoch());
  }

  #opened(): HistoryHost {
    if (this.#host === undefined) throw new Error("the store of history is closed");
    return this.#host;
  }
}
