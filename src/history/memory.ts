/**
 * History in memory: what a route has if its options name no store. Each room has an epoch of its own, so the positions of a room that has gone mean
 * nothing when the room comes back. Ends with its server.
 */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep } from "../api/history-store.js";
import { MemoryRoom } from "./memory-room.js";

export class MemoryHistory implements HistoryStore {
  readonly name = "memory";
  #host: HistoryHost | undefined;
  /** Rooms with messages, the room whose last message is oldest first. */
  readonly #full = new Map<string, MemoryRoom>();
  /** Rooms without messages whose position was asked for, the room that was asked for longest ago first. */
  readonly #empty = new Map<string, MemoryRoom>();

  open(host: HistoryHost): void {
    this.#host = host;
  }

  append(entry: MessageToKeep): string | undefined {
    const host = this.#host;
    if (host === undefined) return undefined;
    const room = this.#take(entry.room, host);
    const position = room.append(entry, host);
    this.#full.set(room.name, room);
    this.#evict(host.maxRooms);
    return position;
  }

  read(name: string, query: HistoryQuery): HistoryReading {
    const host = this.#opened();
    const now = host.clock.now();
    const room = this.#full.get(name) ?? this.#take(name, host);
    room.dropBefore(now - host.maxAgeMs);
    room.usedAt = now;
    if (!room.isEmpty) return room.read(query);
    this.#full.delete(name);
    this.#empty.set(name, room);
    this.#evict(host.maxRooms);
    return room.read(query);
  }

  trim(): void {
    const { clock, maxAgeMs } = this.#opened();
    const time = clock.now() - maxAgeMs;
    for (const [name, room] of this.#full) {
      if (room.isAllBefore(time)) this.#full.delete(name);
      else room.dropBefore(time);
    }
    for (const [name, { usedAt }] of this.#empty) {
      if (usedAt >= time) return;
      this.#empty.delete(name);
    }
  }

  close(): void {
    this.#host = undefined;
    this.#full.clear();
    this.#empty.clear();
  }

  /** The room, or a new one, out of the order of rooms. */
  #take(name: string, host: HistoryHost): MemoryRoom {
    const room = this.#full.get(name) ?? this.#empty.get(name) ?? new MemoryRoom(name, host.newEpoch());
    this.#full.delete(name);
    this.#empty.delete(name);
    return room;
  }

  #evict(maxRooms: number): void {
    if (this.#full.size + this.#empty.size <= maxRooms) return;
    const rooms = this.#empty.size > 0 ? this.#empty : this.#full;
    const [oldest] = rooms.keys();
    if (oldest !== undefined) rooms.delete(oldest);
  }

  #opened(): HistoryHost {
    if (this.#host === undefined) throw new Error("the store of history is closed");
    return this.#host;
  }
}
