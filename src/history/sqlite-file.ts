/**
 * A file of history: opened by one process at a time, and the source of numbers. Numbers are reserved in the file in blocks, ahead of use, so that no
 * number is given twice, however the process ends. `SqliteHistory` opens a file, and closes it.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { SendallError } from "../api/errors.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";
import { loadSqlite, type SqlDatabase } from "./sqlite-module.js";
import { prepareFile, prepareStatements, type Statements } from "./sqlite-schema.js";

/** Rarely reserved, and never used up: a millisecond for each number makes 280,000 years of positions. */
const BLOCK = 2 ** 20;

/** What SQLite's codes mean for the operator. */
const HINTS: Readonly<Record<number, string>> = {
  5: "the file is in use by another process or another store: each server has a file of its own; for two routes make the store once and give it to both",
  8: "the file, or its folder, cannot be written by this process",
  13: "the disk is full",
  14: "the folder of the file has to exist, and this process has to be allowed to write in the folder",
  26: "the file is something else: name another file",
};

export class SqliteFile {
  readonly statements: Statements;
  readonly #path: string;
  readonly #db: SqlDatabase;
  /** A file that is there while the file is open and every write has succeeded. To remove a file is possible even on a full disk. */
  readonly #witness: string;
  #hasLoss = false;
  #epoch: string;
  #next: number;
  #reserved: number;

  /** Throws `HISTORY_UNAVAILABLE`. */
  static open(file: string, newEpoch: () => string): SqliteFile {
    const { DatabaseSync } = loadSqlite();
    const path = resolve(file);
    let db: SqlDatabase | undefined;
    try {
      db = new DatabaseSync(path);
      prepareFile(db, newEpoch);
      return new SqliteFile(db, path, newEpoch);
    } catch (cause) {
      quietly(() => db?.close());
      throw unavailable(file, cause);
    }
  }

  private constructor(db: SqlDatabase, path: string, newEpoch: () => string) {
    this.#db = db;
    this.#path = path;
    this.#witness = `${path}-open`;
    this.statements = prepareStatements(db);
    const { epoch, next, boot } = this.statements.facts.get() ?? {};
    // The file was not closed: unless the process alone went down, and every write had succeeded, something may be lost.
    const isSure = boot === "" || (boot !== NO_BOOT && boot === bootOfMachine() && existsSync(this.#witness));
    this.#epoch = isSure ? String(epoch) : newEpoch();
    this.#next = Number(next);
    this.#reserved = this.#next;
    this.#reserve();
    writeFileSync(this.#witness, "");
  }

  /** What `read` makes of the opened file. If `read` throws, the file is closed; throws `HISTORY_UNAVAILABLE`. */
  orClose<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      quietly(() => this.close());
      throw unavailable(this.#path, cause);
    }
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** A number that was never given before, greater than each number before. Throws if numbers have to be reserved and cannot be. */
  nextNumber(): number {
    if (this.#next === this.#reserved) this.#reserve();
    return this.#next++;
  }

  /** Reserves ahead, between turns. A failure shows when the numbers are used up. */
  reserveAhead(): void {
    if (this.#reserved - this.#next < BLOCK / 2) quietly(() => this.#reserve());
  }

  /** Runs all of `write`, or nothing of it; throws what `write` throws. After a loss, `write` MUST tell the file what is lost. */
  transact(write: (statements: Statements) => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      write(this.statements);
      this.#db.exec("COMMIT");
    } catch (error) {
      quietly(() => this.#db.exec("ROLLBACK"));
      throw error;
    }
    if (this.#hasLoss) quietly(() => writeFileSync(this.#witness, ""));
    this.#hasLoss = false;
  }

  /** Something is lost that the file cannot be told now. Should the file never be told, the next `open` begins a new epoch. */
  noteLoss(): void {
    if (this.#hasLoss) return;
    this.#hasLoss = true;
    quietly(() => rmSync(this.#witness, { force: true }));
  }

  /** Throws if the file cannot be told that it is closed, and closes the file all the same. */
  close(): void {
    try {
      if (this.#hasLoss) return;
      this.statements.setFacts.run(this.#epoch, this.#next, "");
      quietly(() => rmSync(this.#witness, { force: true }));
    } finally {
      this.#db.close();
    }
  }

  /** Lasts even if the machine goes down: the only writes that wait for the disk. */
  #reserve(): void {
    const reserved = this.#reserved + BLOCK;
    this.#db.exec("PRAGMA synchronous = FULL");
    try {
      this.statements.setFacts.run(this.#epoch, reserved, bootOfMachine());
    } finally {
      this.#db.exec("PRAGMA synchronous = NORMAL");
    }
    this.#reserved = reserved;
  }
}

/** Where the machine does not name the time since it came up, a file that was not closed has always lost something. */
const NO_BOOT = "unknown";

function bootOfMachine(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return NO_BOOT;
  }
}

function unavailable(file: string, cause: unknown): SendallError {
  const code = isError(cause) ? readProperty(cause, "errcode") : undefined;
  const hint = typeof code === "number" ? HINTS[code & 0xff] : undefined;
  const problem = `history: ${file} cannot be opened: ${messageOf(cause)}${hint === undefined ? "" : `: ${hint}`}`;
  return new SendallError("HISTORY_UNAVAILABLE", problem, { cause });
}

/** For what may fail: SQLite rolls back by itself when the disk is full, and a disk that fails neither makes nor removes a file. */
function quietly(step: () => void): void {
  try {
    step();
  } catch {
    // A failure before is what counts, or a later failure tells.
  }
}
