/**
 * The rooms of a store, in the order in which rooms go when there are too many: rooms without messages first, the room whose start was told
 * longest ago before others; then the room whose last message is oldest. Ends with its store.
 */

/** What a store knows of a room. */
export interface OrderedRoom {
  readonly name: string;
  /** When the position was told last, by the server's clock. */
  usedAt: number;
}

export class RoomOrder<Room extends OrderedRoom> {
  readonly #full = new Map<string, Room>();
  readonly #empty = new Map<string, Room>();

  get size(): number {
    return this.#full.size + this.#empty.size;
  }

  get(name: string): Room | undefined {
    return this.#full.get(name) ?? this.#empty.get(name);
  }

  /** Rooms with messages, the oldest last message first. A room may be deleted meanwhile. */
  full(): IterableIterator<Room> {
    return this.#full.values();
  }

  /** Rooms without messages. */
  empty(): IterableIterator<Room> {
    return this.#empty.values();
  }

  /** A message has come to the room. */
  addFull(room: Room): void {
    this.delete(room);
    this.#full.set(room.name, room);
  }

  /** The start of the room, which has no messages, is told. */
  addEmpty(room: Room, now: number): void {
    this.delete(room);
    room.usedAt = now;
    this.#empty.set(room.name, room);
  }

  delete({ name }: Room): void {
    this.#full.delete(name);
    this.#empty.delete(name);
  }

  /** Removes rooms until there are not too many; `onGone` gets each removed room. */
  evict(maxRooms: number, onGone: (room: Room) => void = () => {}): void {
    while (this.size > maxRooms) {
      const [oldest] = this.#empty.size > 0 ? this.#empty.values() : this.#full.values();
      if (oldest === undefined) return;
      this.delete(oldest);
      onGone(oldest);
    }
  }

  /** Removes the rooms without messages whose start was told before a time. */
  forgetBefore(time: number, onGone: (room: Room) => void = () => {}): void {
    for (const room of this.#empty.values()) {
      if (room.usedAt >= time) return;
      this.delete(room);
      onGone(room);
    }
  }

  clear(): void {
    this.#full.clear();
    this.#empty.clear();
  }
}
