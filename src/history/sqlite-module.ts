/**
 * The door to SQLite, which Node has built in from version 22.13 on. The types are those parts of `node:sqlite` that the store uses: the types of
 * Node that a program has installed may be older.
 */
import { SendallError } from "../api/errors.js";

export type SqlValue = string | number | null | Uint8Array;

export type SqlRow = Readonly<Record<string, SqlValue | undefined>>;

export interface SqlStatement {
  run(...values: SqlValue[]): unknown;
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
  iterate(...values: SqlValue[]): Iterable<SqlRow>;
}

export interface SqlDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  close(): void;
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string) => SqlDatabase;
}

/** Throws `HISTORY_UNAVAILABLE` on a Node without SQLite. */
export function loadSqlite(): SqliteModule {
  const module: unknown = process.getBuiltinModule("node:sqlite");
  if (module === undefined)
    throw new SendallError(
      "HISTORY_UNAVAILABLE",
      `history: sqlite() needs Node 22.13 or newer, and this is Node ${process.versions.node}: update Node, or leave out the store`,
    );
  return module as SqliteModule;
}
