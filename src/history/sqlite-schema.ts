/** The tables of a file of history, and what a file must be like to be opened. */
import type { SqlDatabase, SqlStatement } from "./sqlite-module.js";

/** Tells a file of history from files of other programs: the letters "SndH". */
const APPLICATION = 0x536e6448;
const VERSION = 1;

/**
 * `facts` has one row: the epoch, the first number that is not reserved, and the boot of the machine under which the file is open, or `""`. A room is
 * known by the number of its first start. `start` is null once something has gone, `last` is the number of the last message or of the start.
 * Numbers are counted over all rooms, so messages are in the order of their numbers on disk, too.
 */
const TABLES = `
  CREATE TABLE facts (epoch TEXT NOT NULL, next INTEGER NOT NULL, boot TEXT NOT NULL);
  CREATE TABLE rooms (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, start INTEGER, last INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL
  );
  CREATE TABLE messages (
    number INTEGER PRIMARY KEY, room INTEGER NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL, isBinary INTEGER NOT NULL, source TEXT, bytes BLOB NOT NULL
  );
  CREATE INDEX messages_of_room ON messages (room, number);
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${VERSION};
`;

/** What nobody else may do while the file is open. A `NORMAL` write is safe from a killed process; only a lost machine may lose the last writes. */
const SETTINGS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
`;

/** Takes the file for this process, and makes the tables in an empty file. Throws if the file is something else, or in use. */
export function prepareFile(db: SqlDatabase, newEpoch: () => string): void {
  const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
  if (!isEmpty && pragma("application_id") !== APPLICATION)
    throw new Error("the file is a database of another program: name a file of its own");
  const version = pragma("user_version");
  if (!isEmpty && version !== VERSION)
    throw new Error(`the file is of version ${version} of the format, and this version of Sendall reads ${VERSION}`);
  db.exec(SETTINGS);
  db.exec("BEGIN IMMEDIATE");
  if (isEmpty) {
    db.exec(TABLES);
    db.prepare("INSERT INTO facts VALUES (?, 0, '')").run(newEpoch());
  }
  db.exec("COMMIT");
}

/** What a reading needs of a message. */
const COLUMNS = "number, at, isBinary, source, bytes";

/** The statements of a file. */
export interface Statements {
  readonly facts: SqlStatement;
  readonly setFacts: SqlStatement;
  readonly rooms: SqlStatement;
  readonly putRoom: SqlStatement;
  readonly dropRoom: SqlStatement;
  readonly put: SqlStatement;
  readonly drop: SqlStatement;
  readonly has: SqlStatement;
  /** Up to a count of messages of a room after a number, the oldest first. */
  readonly following: SqlStatement;
  /** Up to a count of messages of a room after a number, the newest first. */
  readonly newest: SqlStatement;
  /** Numbers, sizes and times of a room after a number, the oldest first. */
  readonly sizes: SqlStatement;
  /** Numbers, rooms, sizes and times of all rooms, the oldest first. */
  readonly oldest: SqlStatement;
}

export function prepareStatements(db: SqlDatabase): Statements {
  return {
    facts: db.prepare("SELECT epoch, next, boot FROM facts"),
    setFacts: db.prepare("UPDATE facts SET epoch = ?, next = ?, boot = ?"),
    rooms: db.prepare("SELECT id, name, start, last, count, bytes FROM rooms ORDER BY last"),
    putRoom: db.prepare(`
      INSERT INTO rooms (id, name, start, last, count, bytes) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET start = excluded.start, last = excluded.last, count = excluded.count, bytes = excluded.bytes
    `),
    dropRoom: db.prepare("DELETE FROM rooms WHERE id = ?"),
    put: db.prepare(
      "INSERT INTO messages (number, room, size, at, isBinary, source, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    drop: db.prepare("DELETE FROM messages WHERE room = ? AND number <= ?"),
    has: db.prepare("SELECT 1 FROM messages WHERE number = ? AND room = ?"),
    following: db.prepare(`SELECT ${COLUMNS} FROM messages WHERE room = ? AND number > ? ORDER BY number LIMIT ?`),
    newest: db.prepare(`SELECT ${COLUMNS} FROM messages WHERE room = ? AND number > ? ORDER BY number DESC LIMIT ?`),
    sizes: db.prepare("SELECT number, size, at FROM messages WHERE room = ? AND number > ? ORDER BY number"),
    oldest: db.prepare("SELECT number, room, size, at FROM messages ORDER BY number LIMIT ?"),
  };
}
