/**
 * What the store knows of a room in a file without asking the file: where the room begins and ends, and how much is in it. A room is known by the
 * number of its first start, so a room that goes and comes back is another room.
 */
import type { HistoryLimits } from "../api/history-store.js";
import { OrderedRoom } from "./room-order.js";
import type { SqlRow } from "./sqlite-module.js";
import type { Statements } from "./sqlite-schema.js";

export class SqliteRoom extends OrderedRoom {
  readonly id: number;
  /** The number of the start, as long as nothing has gone since the start. */
  start: number | undefined;
  /** The number of the last message, or of the start if the room is empty. */
  last: number;
  /** Whether the file has the room. */
  isStored = false;
  /** Whether the file has messages up to `cut`, which have gone. */
  isCut = false;
  #cut = 0;
  #count = 0;
  #bytes = 0;

  constructor(name: string, id: number) {
    super(name);
    this.id = id;
    this.start = id;
    this.last = id;
  }

  static from({ id, name, start, last, count, bytes }: SqlRow): SqliteRoom {
    const room = new SqliteRoom(String(name), Number(id));
    room.start = typeof start === "number" ? start : undefined;
    room.last = Number(last);
    room.#count = Number(count);
    room.#bytes = Number(bytes);
    room.isStored = true;
    return room;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Messages up to this number have gone. */
  get cut(): number {
    return this.#cut;
  }

  add(number: number, size: number): void {
    this.last = number;
    this.#count++;
    this.#bytes += size;
  }

  /** Begins anew, after everything has gone. */
  restart(number: number): void {
    this.start = number;
    this.last = number;
  }

  /** Lets go what was sent before a time, at most up to a number. @returns whether anything has gone */
  dropBefore(time: number, statements: Statements, upTo: number = Number.POSITIVE_INFINITY): boolean {
    return this.#dropWhile((at, number) => at < time && number <= upTo, statements);
  }

  /** Lets go what is beyond the limits. The file has to have every message. @returns whether anything has gone */
  dropBeyond({ maxMessages, maxBytes }: HistoryLimits, statements: Statements): boolean {
    const isTooMuch = (): boolean => this.#count > maxMessages || (this.#bytes > maxBytes && this.#count > 1);
    return isTooMuch() && this.#dropWhile(isTooMuch, statements);
  }

  store({ drop, putRoom }: Statements): void {
    if (this.isCut) drop.run(this.id, this.#cut);
    putRoom.run(this.id, this.name, this.start ?? null, this.last, this.#count, this.#bytes);
  }

  #dropWhile(isGone: (at: number, number: number) => boolean, { sizes }: Statements): boolean {
    const count = this.#count;
    for (const { number, size, at } of sizes.iterate(this.id, this.#cut)) {
      if (!isGone(Number(at), Number(number))) break;
      this.#cut = Number(number);
      this.#count--;
      this.#bytes -= Number(size);
    }
    if (this.#count === count) return false;
    this.isCut = true;
    this.start = undefined;
    return true;
  }
}
