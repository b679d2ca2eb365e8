/**
 * The rooms of a store, in the order in which rooms go when there are too many: rooms without messages first, the room whose start was told
 * longest ago before others; then the room whose last message is oldest. Ends with its store.
 *
 * The order is a pair of linked lists: a `Map` keeps the order of insertion, too, but finding its first key takes longer the more was deleted.
 */

/** What a store knows of a room. A room is in one `RoomOrder` at most. */
export abstract class OrderedRoom {
  readonly name: string;
  /** When the start was told last, by the server's clock. */
  usedAt = 0;
  /** The list that the room is in, and its neighbours. */
  list: RoomList | undefined;
  older: OrderedRoom | undefined;
  younger: OrderedRoom | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/** Rooms from the oldest to the youngest. */
class RoomList {
  oldest: OrderedRoom | undefined;
  youngest: OrderedRoom | undefined;

  add(room: OrderedRoom): void {
    room.list = this;
    room.older = this.youngest;
    if (this.youngest === undefined) this.oldest = room;
    else this.youngest.younger = room;
    this.youngest = room;
  }

  remove(room: OrderedRoom): void {
    if (room.older === undefined) this.oldest = room.younger;
    else room.older.younger = room.younger;
    if (room.younger === undefined) this.youngest = room.older;
    else room.younger.older = room.older;
    room.list = undefined;
    room.older = undefined;
    room.younger = undefined;
  }
}

export class RoomOrder<Room extends OrderedRoom> {
  readonly #rooms = new Map<string, Room>();
  #full = new RoomList();
  #empty = new RoomList();

  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  /** Rooms in no order. A room may be deleted meanwhile. */
  all(): IterableIterator<Room> {
    return this.#rooms.values();
  }

  /** A message has come to the room. */
  addFull(room: Room): void {
    this.#move(room, this.#full);
  }

  /** The start of the room, which has no messages, is told. */
  addEmpty(room: Room, now: number): void {
    room.usedAt = now;
    this.#move(room, this.#empty);
  }

  delete(room: Room): void {
    room.list?.remove(room);
    this.#rooms.delete(room.name);
  }

  /** Removes rooms until there are not too many; `onGone` gets each removed room. */
  evict(maxRooms: number, onGone: (room: Room) => void = () => {}): void {
    while (this.#rooms.size > maxRooms) {
      const oldest = this.#oldest(this.#empty) ?? this.#oldest(this.#full);
      if (oldest === undefined) return;
      this.delete(oldest);
      onGone(oldest);
    }
  }

  /** Removes the rooms without messages whose start was told before a time. */
  forgetBefore(time: number, onGone: (room: Room) => void = () => {}): void {
    for (
      let room = this.#oldest(this.#empty);
      room !== undefined && room.usedAt < time;
      room = this.#oldest(this.#empty)
    ) {
      this.delete(room);
      onGone(room);
    }
  }

  clear(): void {
    this.#rooms.clear();
    this.#full = new RoomList();
    this.#empty = new RoomList();
  }

  #move(room: Room, list: RoomList): void {
    if (room.list === undefined) this.#rooms.set(room.name, room);
    else room.list.remove(room);
    list.add(room);
  }

  #oldest({ oldest }: RoomList): Room | undefined {
    return oldest && this.#rooms.get(oldest.name);
  }
}
