/**
 * The latest readings of rooms in a file: when many followers come at once, as after a restart, the file is read once for all who ask the same, and all
 * share the bytes. `SqliteHistory` has one object for each time that a file is open.
 */
import type { HistoryQuery, HistoryReading } from "../api/history-store.js";
import type { SqliteRoom } from "./sqlite-room.js";

/** Of readings that are kept; the reading that was asked for longest ago goes first. */
const MAX_BYTES = 16 * 1_048_576;
/** What an entry of a reading costs beside its bytes. */
const ENTRY_COST = 300;
/** What a reading costs beside its entries. */
const READING_COST = 500;

interface Latest {
  readonly query: HistoryQuery;
  /** Of the room, when the room was read: with a message more or less, both or either differ. */
  readonly last: number;
  readonly cut: number;
  readonly reading: HistoryReading;
  readonly cost: number;
}

export class LatestReadings {
  /** By room, the reading that was asked for longest ago first. A room that has gone does not come back as the same object. */
  readonly #byRoom = new Map<SqliteRoom, Latest>();
  #cost = 0;

  /** @returns what was read, if nothing has come to the room or gone since */
  find(room: SqliteRoom, query: HistoryQuery): HistoryReading | undefined {
    const latest = this.#byRoom.get(room);
    if (latest === undefined || latest.last !== room.last || latest.cut !== room.cut) return undefined;
    if (!isSame(latest.query, query)) return undefined;
    this.#byRoom.delete(room);
    this.#byRoom.set(room, latest);
    return latest.reading;
  }

  keep(room: SqliteRoom, query: HistoryQuery, reading: HistoryReading): void {
    this.#forget(room);
    const cost = reading.entries.reduce((sum, { bytes }) => sum + bytes.length + ENTRY_COST, READING_COST);
    if (cost > MAX_BYTES) return;
    this.#byRoom.set(room, { query, last: room.last, cut: room.cut, reading, cost });
    this.#cost += cost;
    for (const oldest of this.#byRoom.keys()) {
      if (this.#cost <= MAX_BYTES) return;
      this.#forget(oldest);
    }
  }

  #forget(room: SqliteRoom): void {
    this.#cost -= this.#byRoom.get(room)?.cost ?? 0;
    this.#byRoom.delete(room);
  }
}

function isSame(one: HistoryQuery, other: HistoryQuery): boolean {
  return one.after === other.after && one.last === other.last && one.limit === other.limit;
}
