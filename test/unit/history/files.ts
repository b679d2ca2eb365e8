/** Files of history in the hands of a test: every database that the store opens is at hand, and a file can be copied as a killed process leaves it. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HistoryLimits, type HistoryStore, SendallError } from "sendall";
import { sqlite } from "sendall/sqlite";
import { onTestFinished, vi } from "vitest";
import type { SqlDatabase, SqlValue } from "../../../src/history/sqlite-module.js";
import { type Opened, staged, TestHost } from "./stage.js";

type DatabaseClass = new (path: string) => SqlDatabase;

function databaseClass(): DatabaseClass {
  const module: unknown = process.getBuiltinModule("node:sqlite");
  return (module as { readonly DatabaseSync: DatabaseClass }).DatabaseSync;
}

/** The path of a file that is removed at the end of the test. */
export function newFile(name = "history.db"): string {
  const folder = mkdtempSync(join(tmpdir(), "sendall-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
}

/** Opens a file without the store, for a look or a change. */
export function inFile<T>(file: string, use: (db: SqlDatabase) => T): T {
  const db = new (databaseClass())(file);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

export function ask(db: SqlDatabase, sql: string): SqlValue | undefined {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

/** A store with the database that it has opened. */
export interface OpenedFile extends Opened<HistoryStore> {
  readonly db: SqlDatabase;
  /** What the store has told the database to do, beside statements that it has prepared. */
  readonly executed: string[];
}

export function openFile(
  file: string,
  limits: Partial<HistoryLimits> = {},
  host: TestHost = new TestHost(limits),
): OpenedFile {
  const DatabaseSync = databaseClass();
  const executed: string[] = [];
  let db: SqlDatabase | undefined;
  class Watched extends DatabaseSync {
    constructor(path: string) {
      super(path);
      db = this;
    }

    override exec(sql: string): void {
      executed.push(sql);
      super.exec(sql);
    }
  }
  const spy = vi.spyOn(process, "getBuiltinModule").mockReturnValue({ DatabaseSync: Watched } as never);
  const store = sqlite({ file });
  try {
    store.open?.(host);
  } finally {
    spy.mockRestore();
  }
  if (db === undefined) throw new Error("the store has opened no database");
  const opened = db;
  let isOpen = true;
  const close = store.close.bind(store);
  store.close = () => {
    isOpen = false;
    return close();
  };
  onTestFinished(() => {
    if (isOpen) store.close();
  });
  return { ...staged(store, host), db: opened, executed };
}

/** Copies a file that is open, as a process leaves it that is killed now. */
export function killedCopy(file: string): string {
  const copy = newFile();
  for (const end of ["", "-wal", "-open"]) if (existsSync(file + end)) copyFileSync(file + end, copy + end);
  return copy;
}

/** The problem of a file that cannot be opened. */
export function problemOf(file: string): string {
  try {
    openFile(file);
  } catch (error) {
    if (error instanceof SendallError && error.code === "HISTORY_UNAVAILABLE") return error.message;
    throw error;
  }
  throw new Error("the file can be opened");
}
