/**
 * History in a file of SQLite, for one node: survives restarts, and a process that is killed. What a turn appends is written in one transaction at the
 * end of the turn, before sockets are written. A store ends with the server that has opened the store.
 */
import { SendallError } from "../api/errors.js";
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "../api/history-store.js";
import type { Clock } from "../runtime/clock.js";
import { LatestReadings } from "./latest-readings.js";
import { positionOf, readPosition } from "./position.js";
import { SqliteFile } from "./sqlite-file.js";
import type { SqlRow } from "./sqlite-module.js";
import { readSqliteOptions, type SqliteOptions } from "./sqlite-options.js";
import type { SqliteRoom } from "./sqlite-room.js";
import { SqliteRooms } from "./sqlite-rooms.js";

/** Messages that a trim lets go before other work has its turn. */
const TRIM_STEP = 1_000;

const NOTHING: readonly StoredMessage[] = [];

/** A store between `open` and `close`. */
interface Opened {
  readonly file: SqliteFile;
  readonly rooms: SqliteRooms;
  readonly latest: LatestReadings;
  readonly clock: Clock;
  readonly maxAgeMs: number;
}

class SqliteHistory implements HistoryStore {
  readonly name = "sqlite";
  readonly #path: string;
  #opened: Opened | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  open(host: HistoryHost): void {
    if (this.#opened !== undefined)
      throw new SendallError(
        "HISTORY_UNAVAILABLE",
        `history: ${this.#path} is open: each server has a store of its own`,
      );
    const file = SqliteFile.open(this.#path, () => host.newEpoch());
    const { clock, maxAgeMs } = host;
    const rooms = file.orClose(() => new SqliteRooms(file, host));
    this.#opened = { file, rooms, latest: new LatestReadings(), clock, maxAgeMs };
  }

  append(entry: MessageToKeep): string | undefined {
    const opened = this.#opened;
    const kept = opened?.rooms.append(entry);
    return opened && kept && positionOf(epochOf(opened, kept.room), kept.number);
  }

  read(name: string, query: HistoryQuery): HistoryReading {
    const opened = this.#get();
    const room = opened.rooms.get(name);
    const known = opened.latest.find(room, query);
    if (known !== undefined) return known;
    const reading = readFile(opened, room, query);
    if (reading.entries.length > 0) opened.latest.keep(room, query, reading);
    return reading;
  }

  async trim(): Promise<void> {
    const { clock, maxAgeMs, rooms } = this.#get();
    const time = clock.now() - maxAgeMs;
    rooms.forgetEmpty(time);
    while (rooms === this.#opened?.rooms && rooms.trimSome(time, TRIM_STEP))
      await new Promise<void>((resolve) => clock.soon(resolve));
  }

  close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.rooms.end();
    opened?.file.close();
  }

  #get(): Opened {
    if (this.#opened === undefined) throw new Error("the store of history is closed");
    return this.#opened;
  }
}

function readFile(opened: Opened, room: SqliteRoom, { after, last, limit }: HistoryQuery): HistoryReading {
  const epoch = epochOf(opened, room);
  const position = positionOf(epoch, room.last);
  const answer = (outcome: HistoryReading["outcome"], rows: readonly SqlRow[] = []): HistoryReading => ({
    outcome,
    entries: rows.length === 0 ? NOTHING : rows.map((row) => entryOf(row, room.name, epoch)),
    position,
  });
  const { newest, following } = opened.file.statements;
  if (after === undefined)
    return answer("complete", newest.all(room.id, room.cut, Math.min(last ?? limit, limit)).reverse());
  const parts = readPosition(after);
  if (parts?.epoch !== epoch) return answer("unknown");
  if (!isAnchor(parts.number, room, opened)) return answer("gap");
  const rows = following.all(room.id, Math.max(parts.number, room.cut), limit + 1);
  return rows.length > limit ? answer("gap") : answer("complete", rows);
}

/** The epoch of a room: the epoch of the file, and the room. */
function epochOf({ file }: Opened, { id }: SqliteRoom): string {
  return `${file.epoch}${id.toString(16)}`;
}

function isAnchor(number: number, { id, start, cut }: SqliteRoom, { file }: Opened): boolean {
  return number === start || (number > cut && file.statements.has.get(number, id) !== undefined);
}

function entryOf({ number, bytes, isBinary, source, at }: SqlRow, room: string, epoch: string): StoredMessage {
  return {
    room,
    bytes: bytes as Uint8Array,
    isBinary: isBinary === 1,
    ...(typeof source === "string" && { source }),
    at: Number(at),
    position: positionOf(epoch, Number(number)),
  };
}

/**
 * Keeps history in a file of SQLite, for `history.store`: what was kept is there after a restart. For one node: with `cluster` it is `BAD_OPTION`.
 * Needs Node 22.13 or newer; on an older Node, or when the file cannot be opened, the server does not start (`HISTORY_UNAVAILABLE`).
 *
 * @throws SendallError `BAD_OPTION`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { sqlite } from "sendall/sqlite";
 *
 * const server = await serve({
 *   port: 8080,
 *   history: { store: sqlite({ file: "chat.db" }) },
 *   async handler(event, bus) {
 *     if (event.type === "open") await event.connection.follow("lobby", { last: 50 });
 *     if (event.type === "message") bus.sendall(event.data, { room: "lobby", keep: true });
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function sqlite(options: SqliteOptions): HistoryStore {
  return new SqliteHistory(readSqliteOptions(options).file);
}
