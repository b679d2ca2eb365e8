/**
 * The rooms of an open file, and what waits to be written: messages, changed rooms, and rooms that have gone. What waits is written in one
 * transaction, or is lost as a whole. `SqliteHistory` makes the rooms at `open`, and ends the rooms at `close`.
 */
import type { HistoryHost, MessageToKeep } from "../api/history-store.js";
import { RoomOrder } from "./room-order.js";
import type { SqliteFile } from "./sqlite-file.js";
import { SqliteRoom } from "./sqlite-room.js";
import type { Statements } from "./sqlite-schema.js";

/** What may wait for the end of a turn. */
const MAX_WAITING_BYTES = 16 * 1_048_576;
/** What a waiting message costs beside its bytes. */
const MESSAGE_COST = 100;

interface Waiting {
  readonly room: SqliteRoom;
  readonly number: number;
  readonly entry: MessageToKeep;
}

export class SqliteRooms {
  readonly #file: SqliteFile;
  readonly #host: HistoryHost;
  readonly #order = new RoomOrder<SqliteRoom>();
  readonly #byId = new Map<number, SqliteRoom>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Whether something waits that the end of the turn has to write. */
  #isDue = false;
  /** Rooms of which the file does not know the latest. */
  readonly #changed = new Set<SqliteRoom>();
  /** Rooms that have gone, and are in the file still. */
  readonly #gone = new Set<SqliteRoom>();

  constructor(file: SqliteFile, host: HistoryHost) {
    this.#file = file;
    this.#host = host;
    const now = host.clock.now();
    for (const row of file.statements.rooms.all()) {
      const room = SqliteRoom.from(row);
      this.#byId.set(room.id, room);
      if (room.isEmpty) this.#order.addEmpty(room, now);
      else this.#order.addFull(room);
      if (room.dropBeyond(host, file.statements)) this.#changed.add(room);
    }
    this.#evict();
    this.#write();
  }

  /** @returns the number, or `undefined` if the message is refused: then the room begins anew */
  append(entry: MessageToKeep): { readonly room: SqliteRoom; readonly number: number } | undefined {
    const size = entry.bytes.length;
    if (this.#waitingBytes > 0 && this.#waitingBytes + size + MESSAGE_COST > MAX_WAITING_BYTES) {
      this.#refuse(entry.room);
      return undefined;
    }
    try {
      const room = this.#room(entry.room);
      const number = this.#file.nextNumber();
      this.#byId.set(room.id, room);
      room.add(number, size);
      this.#waiting.push({ room, number, entry });
      this.#waitingBytes += size + MESSAGE_COST;
      this.#order.addFull(room);
      this.#changed.add(room);
      this.#evict();
      this.#writeSoon();
      return { room, number };
    } catch {
      // No number can be had.
      this.#refuse(entry.room);
      return undefined;
    }
  }

  /** The room as it is now. Throws if the file cannot be read. */
  get(name: string): SqliteRoom {
    this.flush();
    const { clock, maxAgeMs } = this.#host;
    const now = clock.now();
    const room = this.#room(name);
    if (!room.isEmpty && room.dropBefore(now - maxAgeMs, this.#file.statements)) this.#changed.add(room);
    if (!room.isEmpty) return room;
    if (room.start === undefined) room.restart(this.#file.nextNumber());
    this.#byId.set(room.id, room);
    this.#order.addEmpty(room, now);
    this.#evict();
    return room;
  }

  /** Lets go rooms without messages. */
  forgetEmpty(time: number): void {
    this.flush();
    this.#order.forgetBefore(time, (room) => this.#forget(room));
    this.#write();
  }

  /** Lets go what was sent before a time, of at most `most` messages. @returns whether there is more */
  trimSome(time: number, most: number): boolean {
    this.flush();
    const rows = this.#file.statements.oldest.all(most);
    const old = rows.filter(({ at }) => Number(at) < time);
    const upTo = Number(old.at(-1)?.number);
    let hasDropped = false;
    for (const id of new Set(old.map(({ room }) => Number(room)))) {
      const room = this.#byId.get(id);
      if (room === undefined || !room.dropBefore(time, this.#file.statements, upTo)) continue;
      hasDropped = true;
      this.#changed.add(room);
      if (room.isEmpty) this.#forget(room);
    }
    return this.#write() && hasDropped && old.length === most;
  }

  /** Writes what the turn has appended. What cannot be written is lost. */
  flush(): void {
    if (this.#isDue) this.#write();
  }

  /** Writes all that is known, also of rooms without messages. */
  end(): void {
    for (const room of this.#order.all()) if (!room.isStored) this.#changed.add(room);
    this.#write();
  }

  /** A room may go while its messages wait. */
  #isThere(room: SqliteRoom): boolean {
    return this.#byId.get(room.id) === room;
  }

  #room(name: string): SqliteRoom {
    return this.#order.get(name) ?? new SqliteRoom(name, this.#file.nextNumber());
  }

  #evict(): void {
    this.#order.evict(this.#host.maxRooms, (room) => this.#forget(room));
  }

  #forget(room: SqliteRoom): void {
    this.#order.delete(room);
    this.#byId.delete(room.id);
    this.#changed.delete(room);
    if (room.isStored) this.#gone.add(room);
  }

  #refuse(name: string): void {
    const room = this.#order.get(name);
    if (room !== undefined) this.#forget(room);
    this.#file.noteLoss();
    this.#writeSoon();
  }

  #writeSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#host.atTurnEnd(() => this.flush());
  }

  /** @returns whether the file knows all now */
  #write(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#isDue = false;
    try {
      this.#file.transact((statements) => this.#writeAll(waiting, statements));
    } catch (error) {
      this.#lose(waiting, error);
      return false;
    }
    for (const room of this.#changed) {
      room.isStored = true;
      room.isCut = false;
    }
    this.#changed.clear();
    this.#gone.clear();
    this.#file.reserveAhead();
    return true;
  }

  #writeAll(waiting: readonly Waiting[], statements: Statements): void {
    for (const { id } of this.#gone) {
      statements.drop.run(id, Number.MAX_SAFE_INTEGER);
      statements.dropRoom.run(id);
    }
    for (const { room, number, entry } of waiting) {
      if (!this.#isThere(room)) continue;
      const { bytes, isBinary, source, at } = entry;
      statements.put.run(number, room.id, bytes.length, at, isBinary ? 1 : 0, source ?? null, bytes);
    }
    for (const room of this.#changed) {
      room.dropBeyond(this.#host, statements);
      room.store(statements);
    }
  }

  #lose(waiting: readonly Waiting[], error: unknown): void {
    const lost = waiting.filter(({ room }) => this.#isThere(room));
    for (const { room } of lost) this.#forget(room);
    if (lost.length === 0) return;
    this.#file.noteLoss();
    this.#host.lost(lost.length, error);
  }
}
