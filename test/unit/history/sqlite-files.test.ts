/** The option `file` of `sqlite`, and files that cannot be opened: the error says what to do. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SendallError, serve } from "sendall";
import { type SqliteOptions, sqlite } from "sendall/sqlite";
import { describe, expect, test } from "vitest";
import { SqliteFile } from "../../../src/history/sqlite-file.js";
import { requires } from "../../e2e/requires.js";
import { inFile, newFile, openFile, problemOf } from "./files.js";
import { TestHost } from "./stage.js";

const { skip } = requires("sqlite");

describe("the options of sqlite", () => {
  test.each<[string, string, unknown]>([
    ["are missing", "sqlite", undefined],
    ["are no object", "sqlite", "chat.db"],
    ["have no file", "file", {}],
    ["have an empty file", "file", { file: "" }],
    ["have a number for a file", "file", { file: 1 }],
    ["have a folder for a file", "file", { file: "data/" }],
    ["have a file with a zero byte", "file", { file: "a\0b" }],
    ["have an unknown name", "path", { file: "chat.db", path: "chat.db" }],
  ])("that %s are BAD_OPTION for %s", (_what, option, options) => {
    const problem = (): unknown => sqlite(options as SqliteOptions);
    expect(problem).toThrow(SendallError);
    expect(problem).toThrow(expect.objectContaining({ code: "BAD_OPTION", option }));
  });

  test("that are a path are told where the path goes", () => {
    const problem = (): unknown => sqlite("chat.db" as unknown as SqliteOptions);
    expect(problem).toThrow(/^sqlite: expected \{ file: "chat\.db" \}, got "chat\.db"$/);
  });

  test("with a file open nothing yet", () => {
    expect(sqlite({ file: "/no/such/folder/chat.db" }).name).toBe("sqlite");
  });
});

describe.runIf(skip)("on a Node without SQLite", () => {
  test("serve rejects with HISTORY_UNAVAILABLE, which names the versions", async () => {
    const served = serve({
      port: 0,
      host: "127.0.0.1",
      history: { store: sqlite({ file: newFile() }) },
      handler: () => {},
    });
    await expect(served).rejects.toMatchObject({
      code: "HISTORY_UNAVAILABLE",
      message: expect.stringMatching(/Node 22\.13 or newer.*this is Node 2\d\./),
    });
  });
});

describe.skipIf(skip)("a file cannot be opened", () => {
  test("if another process has the file open", () => {
    const file = newFile();
    openFile(file);
    const program = `
      const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
      try { new DatabaseSync(${JSON.stringify(file)}).exec("BEGIN IMMEDIATE"); } catch (error) { console.log(error.message); }
    `;
    const output = execFileSync(process.execPath, ["--no-warnings", "-e", program], { encoding: "utf8" });
    expect(output).toBe("database is locked\n");
  });

  test("if another store has the file open", () => {
    const file = newFile();
    openFile(file);
    expect(problemOf(file)).toContain(
      "the file is in use by another process or another store: each server has a file of its own; for two routes make the store once and give it to both",
    );
  });

  test("by two servers with one store", () => {
    const { store, host } = openFile(newFile());
    expect(() => store.open?.(host)).toThrow(/is open: each server has a store of its own/);
  });

  test("if the folder is missing", () => {
    expect(problemOf(`${newFile()}/missing/chat.db`)).toContain("the folder of the file has to exist");
  });

  test("if the file is a folder", () => {
    const file = newFile();
    mkdirSync(file);
    expect(problemOf(file)).toContain(`${file} cannot be opened: unable to open database file`);
  });

  test("if the file is no database", () => {
    const file = newFile();
    writeFileSync(file, "These are the minutes of the meeting of Monday.".repeat(100));
    expect(problemOf(file)).toContain("the file is something else: name another file");
  });

  test("if the file is a database of another program, which stays as it was", () => {
    const file = newFile();
    inFile(file, (db) => db.exec("CREATE TABLE people (name TEXT)"));
    expect(problemOf(file)).toContain("a database of another program: name a file of its own");
    expect(inFile(file, (db) => db.prepare("SELECT name FROM sqlite_schema").all().length)).toBe(1);
  });

  test("if the file is of a newer version", async () => {
    const file = newFile();
    await openFile(file).store.close();
    inFile(file, (db) => db.exec("PRAGMA user_version = 2"));
    expect(problemOf(file)).toContain("the file is of version 2 of the format, and this version of Sendall reads 1");
  });

  test("if something is missing in the file, which is let go again", async () => {
    const file = newFile();
    const { store } = openFile(file);
    await store.close();
    inFile(file, (db) => db.exec("DROP TABLE rooms"));
    expect(problemOf(file)).toContain("no such table: rooms");
    inFile(file, (db) => db.exec("PRAGMA user_version = 1"));
  });

  test("and then the store can be opened all the same, once the reason has gone", async () => {
    const file = `${newFile()}/chat.db`;
    const store = sqlite({ file });
    const host = new TestHost();
    expect(() => store.open?.(host)).toThrow("the folder of the file has to exist");
    expect(store.append(host.text("a", "1"))).toBeUndefined();
    mkdirSync(dirname(file));
    await store.open?.(host);
    expect(store.append(host.text("a", "1"))).toBeTypeOf("string");
    await store.close();
  });
});

describe.skipIf(skip)("the numbers of a file", () => {
  test("go up, and are reserved in the file before use: early between turns, else when one is needed", () => {
    const path = newFile();
    const file = SqliteFile.open(path, () => "0123456789ab");
    const reserved = (): number => Number(file.statements.facts.get()?.next);
    let last = -1;
    const take = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const number = file.nextNumber();
        if (number <= last) throw new Error(`${number} after ${last}`);
        last = number;
      }
      expect(last).toBeLessThan(reserved());
    };
    take(1);
    const atFirst = reserved();
    file.reserveAhead();
    expect(reserved()).toBe(atFirst);
    take(atFirst / 2);
    expect(reserved()).toBe(atFirst);
    file.reserveAhead();
    expect(reserved()).toBe(2 * atFirst);
    take(2 * atFirst);
    expect(reserved()).toBe(3 * atFirst);
    file.close();
    const again = SqliteFile.open(path, () => "0123456789ab");
    expect(again.nextNumber()).toBe(last + 1);
    again.close();
  });
});
