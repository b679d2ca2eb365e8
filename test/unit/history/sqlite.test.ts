/** The store in a file: what a killed process, a lost machine or a full disk leaves. `testHistoryStore` covers the contract. */
import type { HistoryStore } from "sendall";
import { describe, expect, test } from "vitest";
import { requires } from "../../e2e/requires.js";
import { ask, inFile, killedCopy, newFile, type OpenedFile, openFile } from "./files.js";
import { textsOf } from "./stage.js";

const ALL = { last: 1_000, limit: 1_000 };

const { skip } = requires("sqlite");

async function after({ store }: { readonly store: HistoryStore }, room: string, position: string): Promise<string> {
  const { outcome, entries } = await store.read(room, { after: position, limit: 1_000 });
  return [outcome, ...textsOf(entries)].join(" ");
}

async function last({ store }: { readonly store: HistoryStore }, room: string): Promise<string> {
  return textsOf((await store.read(room, ALL)).entries).join(" ");
}

async function start({ store }: { readonly store: HistoryStore }, room: string): Promise<string> {
  return (await store.read(room, ALL)).position;
}

function rowsOf(file: string): unknown {
  return inFile(file, (db) => ask(db, "SELECT count(*) FROM messages"));
}

/** Every write fails from now on, as on a full disk; the result ends that. */
function fill({ db }: OpenedFile): () => void {
  db.exec(`PRAGMA max_page_count = ${ask(db, "PRAGMA page_count")}`);
  return () => db.exec("PRAGMA max_page_count = 1000000");
}

/** A message that does not fit in what is left of the last page. */
const LARGE = "x".repeat(100_000);

describe.skipIf(skip)("a process that is killed", () => {
  test("leaves every turn that has ended, and no number is given twice", async () => {
    const file = newFile();
    const before = openFile(file);
    const empty = await start(before, "b");
    const [one = "", two = ""] = before.keep("a", "1", "2");
    before.keep("b", "of b");
    before.host.endTurn();
    const waiting = before.keep("a", "3");
    const again = openFile(killedCopy(file));
    expect(await after(again, "a", one)).toBe("complete 2");
    expect(await after(again, "a", two)).toBe("complete");
    expect(await after(again, "b", empty)).toBe("complete of b");
    expect(await after(again, "a", waiting[0] ?? "")).toBe("gap");
    const [four = ""] = again.keep("a", "4");
    expect(four > (waiting[0] ?? "")).toBe(true);
    expect(await after(again, "a", one)).toBe("complete 2 4");
    expect(await after(again, "a", waiting[0] ?? "")).toBe("gap");
  });

  test("leaves nothing of a room that was only asked for: its start is unknown, never complete over a message", async () => {
    const file = newFile();
    const before = openFile(file);
    before.keep("other", "1");
    before.host.endTurn();
    const told = await start(before, "a");
    const again = openFile(killedCopy(file));
    expect(await after(again, "a", told)).toBe("unknown");
    again.keep("a", "1");
    expect(await after(again, "a", told)).toBe("unknown");
  });

  test("in each of 50 lives leaves positions that are told once", async () => {
    let file = newFile();
    const given: string[] = [];
    for (let life = 0; life < 50; life++) {
      const opened = openFile(file);
      given.push(...opened.keep("a", "kept"), await start(opened, `empty-${life}`));
      opened.host.endTurn();
      given.push(...opened.keep("a", "not written"), await start(opened, `empty-${life}-again`));
      // The reading has written what waited: one more that nobody writes.
      given.push(...opened.keep("a", "not written"));
      const left = killedCopy(file);
      await opened.store.close();
      file = left;
    }
    expect(new Set(given).size).toBe(given.length);
  });
});

describe.skipIf(skip)("a machine that goes down", () => {
  test("may have lost the last writes: all positions are unknown, and the messages are there", async () => {
    const file = newFile();
    const before = openFile(file);
    const [one = ""] = before.keep("a", "1", "2");
    before.host.endTurn();
    const left = killedCopy(file);
    inFile(left, (db) => db.exec("UPDATE facts SET boot = 'of another day'"));
    const again = openFile(left);
    expect(await after(again, "a", one)).toBe("unknown");
    expect(await last(again, "a")).toBe("1 2");
    const position = await start(again, "a");
    expect(await after(openFile(killedCopy(left)), "a", position)).toBe("complete");
  });

  test("after the file was closed has lost nothing", async () => {
    const file = newFile();
    const before = openFile(file);
    const [one = ""] = before.keep("a", "1", "2");
    const empty = await start(before, "empty");
    await before.store.close();
    expect(inFile(file, (db) => ask(db, "SELECT boot FROM facts"))).toBe("");
    const again = openFile(file);
    expect(await after(again, "a", one)).toBe("complete 2");
    expect(await after(again, "empty", empty)).toBe("complete");
  });
});

describe.skipIf(skip)("a full disk", () => {
  test("loses the turn: the loss is reported, and no position of the rooms is complete over it", async () => {
    const opened = openFile(newFile());
    const [one = ""] = opened.keep("a", "1");
    const [other = ""] = opened.keep("b", "1");
    opened.host.endTurn();
    const free = fill(opened);
    const [lost = ""] = opened.keep("a", LARGE, "3");
    opened.host.endTurn();
    expect(opened.host.losses).toMatchObject([{ count: 2, error: { message: expect.stringContaining("full") } }]);
    expect(await after(opened, "a", one)).toBe("unknown");
    expect(await after(opened, "a", lost)).toBe("unknown");
    expect(await last(opened, "a")).toBe("");
    expect(await after(opened, "b", other)).toBe("complete");
    free();
    const [four = ""] = opened.keep("a", "4", "5");
    expect(await after(opened, "a", four)).toBe("complete 5");
    expect(opened.host.losses).toHaveLength(1);
  });

  test("shows in a reading of the same turn", async () => {
    const opened = openFile(newFile());
    const [one = ""] = opened.keep("a", "1");
    opened.host.endTurn();
    fill(opened);
    opened.keep("a", LARGE);
    expect(await after(opened, "a", one)).toBe("unknown");
    expect(opened.host.losses).toMatchObject([{ count: 1 }]);
    opened.host.endTurn();
    expect(opened.host.losses).toHaveLength(1);
  });

  test("that lasts until the process is killed makes all positions unknown", async () => {
    const file = newFile();
    const opened = openFile(file);
    const [one = ""] = opened.keep("a", "1");
    const [other = ""] = opened.keep("b", "1");
    opened.host.endTurn();
    fill(opened);
    opened.keep("a", LARGE);
    opened.host.endTurn();
    const again = openFile(killedCopy(file));
    expect(await after(again, "a", one)).toBe("unknown");
    expect(await after(again, "b", other)).toBe("unknown");
  });

  test("that lasts until the file is closed makes all positions unknown", async () => {
    const file = newFile();
    const opened = openFile(file);
    const [one = ""] = opened.keep("a", "1");
    opened.host.endTurn();
    fill(opened);
    opened.keep("a", LARGE);
    opened.host.endTurn();
    // Not even the end of the room can be written.
    opened.db.exec("PRAGMA query_only = ON");
    await opened.store.close();
    const again = openFile(file);
    expect(await after(again, "a", one)).toBe("unknown");
  });

  test("that comes when the file is closed loses nothing", async () => {
    const file = newFile();
    const opened = openFile(file);
    const [one = ""] = opened.keep("a", "1", "2");
    opened.host.endTurn();
    opened.db.exec("PRAGMA query_only = ON");
    expect(() => opened.store.close()).toThrow("readonly");
    expect(await after(openFile(file), "a", one)).toBe("complete 2");
    expect(opened.host.losses).toEqual([]);
  });

  test("that has space again forgets the lost rooms alone, also when the process is killed then", async () => {
    const file = newFile();
    const opened = openFile(file);
    const [one = ""] = opened.keep("a", "1");
    const [other = ""] = opened.keep("b", "1");
    opened.host.endTurn();
    const free = fill(opened);
    opened.keep("a", LARGE);
    opened.host.endTurn();
    free();
    opened.keep("c", "1");
    opened.host.endTurn();
    const again = openFile(killedCopy(file));
    expect(await after(again, "a", one)).toBe("unknown");
    expect(await last(again, "a")).toBe("");
    expect(await after(again, "b", other)).toBe("complete");
  });
});

describe.skipIf(skip)("a write that fails", () => {
  test("leaves nothing of the turn in the file, and the next turn is written", async () => {
    const opened = openFile(newFile());
    opened.db.exec(
      "CREATE TEMP TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.size = 3 BEGIN SELECT RAISE(FAIL, 'refused'); END",
    );
    opened.keep("a", "1");
    opened.keep("b", "123", "1");
    opened.host.endTurn();
    expect(opened.host.losses).toMatchObject([{ count: 3, error: { message: "refused" } }]);
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(0);
    const [one = ""] = opened.keep("a", "1", "2");
    opened.host.endTurn();
    expect(await after(opened, "a", one)).toBe("complete 2");
    expect(opened.host.losses).toHaveLength(1);
  });
});

describe.skipIf(skip)("what a turn appends", () => {
  test("is written in one transaction, at the end of the turn", async () => {
    const file = newFile();
    const opened = openFile(file);
    opened.executed.length = 0;
    for (let i = 0; i < 100; i++) opened.keep(`room-${i % 7}`, `${i}`);
    expect(opened.executed).toEqual([]);
    opened.host.endTurn();
    expect(opened.executed).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    opened.host.endTurn();
    await opened.store.read("room-1", ALL);
    expect(opened.executed).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    await opened.store.close();
    expect(rowsOf(file)).toBe(100);
  });

  test("is refused beyond 16 MiB, and the room begins anew; other rooms and later turns do not notice", async () => {
    const opened = openFile(newFile(), { maxBytes: 1e9 });
    const [one = ""] = opened.keep("a", "1");
    const [other = ""] = opened.keep("b", "1");
    const mebibyte = "x".repeat(1_048_576);
    const positions = Array.from({ length: 17 }, () => opened.keep("a", mebibyte)[0]);
    expect(positions.indexOf("refused")).toBe(15);
    expect(await after(opened, "a", one)).toBe("unknown");
    expect(await after(opened, "b", other)).toBe("complete");
    const [later = ""] = opened.keep("a", "later");
    opened.host.endTurn();
    expect(await after(opened, "a", later)).toBe("complete");
    expect(await last(opened, "a")).toBe("later");
    expect(opened.host.losses).toEqual([]);
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(2);
  });

  test("is taken if it is larger than 16 MiB by itself", async () => {
    const opened = openFile(newFile());
    opened.keep("a", "x".repeat(17 * 1_048_576), "refused");
    opened.host.endTurn();
    const [later = ""] = opened.keep("a", "later");
    expect(await after(opened, "a", later)).toBe("complete");
  });

  test("that is refused is not forgotten when the process is killed before the turn is written", async () => {
    const file = newFile();
    const opened = openFile(file);
    const [one = ""] = opened.keep("a", "1");
    opened.host.endTurn();
    opened.keep("a", "x".repeat(17 * 1_048_576), "refused");
    const again = openFile(killedCopy(file));
    expect(await after(again, "a", one)).toBe("unknown");
  });
});

describe.skipIf(skip)("what goes", () => {
  test("goes from the file: by number, by age, and with its room", async () => {
    const file = newFile();
    const opened = openFile(file, { maxMessages: 3, maxAgeMs: 1_000, maxRooms: 2 });
    opened.keep("a", "1", "2", "3", "4", "5");
    opened.host.endTurn();
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(3);
    opened.keep("b", "1");
    opened.keep("c", "1");
    opened.host.endTurn();
    expect(ask(opened.db, "SELECT group_concat(name) FROM rooms")).toBe("b,c");
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(2);
    opened.host.clock.pass(1_001);
    opened.keep("c", "2");
    await opened.store.trim();
    expect(ask(opened.db, "SELECT group_concat(name) FROM rooms")).toBe("c");
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(1);
  });

  test("by age goes in steps, between which others have their turn: 10,000 idle rooms", async () => {
    const opened = openFile(newFile(), { maxAgeMs: 1_000, maxRooms: 10_000 });
    for (let i = 0; i < 10_000; i++) opened.keep(`room-${i}`, "hello");
    opened.host.endTurn();
    opened.host.clock.pass(1_001);
    const trimmed = opened.store.trim();
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(9_000);
    for (let i = 0; i < 10; i++) {
      opened.host.clock.runSteps(1);
      await null;
    }
    await trimmed;
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(0);
    expect(ask(opened.db, "SELECT count(*) FROM rooms")).toBe(0);
  });

  test("by age stops going when the store is closed", async () => {
    const opened = openFile(newFile(), { maxAgeMs: 1_000, maxRooms: 10_000 });
    for (let i = 0; i < 3_000; i++) opened.keep(`room-${i}`, "hello");
    opened.host.clock.pass(1_001);
    const trimmed = opened.store.trim();
    expect(ask(opened.db, "SELECT count(*) FROM messages")).toBe(2_000);
    await opened.store.close();
    opened.host.clock.runSteps();
    await trimmed;
    expect(opened.host.losses).toEqual([]);
  });

  test("goes with a room without messages that nobody has asked for within the age", async () => {
    const file = newFile();
    const before = openFile(file);
    const told = await start(before, "a");
    await before.store.close();
    const opened = openFile(file, { maxAgeMs: 1_000 });
    expect(await after(opened, "a", told)).toBe("complete");
    opened.host.clock.pass(1_001);
    await opened.store.trim();
    expect(ask(opened.db, "SELECT count(*) FROM rooms")).toBe(0);
    expect(await after(opened, "a", told)).toBe("unknown");
  });

  test("because the limits are lower now, goes when the file is opened", async () => {
    const file = newFile();
    const before = openFile(file);
    before.keep("a", "1", "2", "3", "4");
    before.keep("b", "1");
    before.keep("c", "12345", "6789");
    await before.store.close();
    const again = openFile(file, { maxMessages: 3, maxBytes: 6, maxRooms: 2 });
    expect([await last(again, "b"), await last(again, "c")]).toEqual(["1", "6789"]);
    expect(ask(again.db, "SELECT count(*) FROM messages")).toBe(2);
  });
});
