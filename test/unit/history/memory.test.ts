/** The store in memory: what is left of rooms, the anchor rule, and what rooms cost. `testHistoryStore` covers the rest of the contract. */
import type { HistoryLimits } from "sendall";
import { describe, expect, test } from "vitest";
import { MemoryHistory } from "../../../src/history/memory.js";
import { type Opened, staged, TestHost, textsOf } from "./stage.js";

const ALL = { last: 1_000, limit: 1_000 };

function open(limits: Partial<HistoryLimits> = {}): Opened<MemoryHistory> {
  const host = new TestHost(limits);
  const store = new MemoryHistory();
  store.open(host);
  return staged(store, host);
}

/** The outcome and the texts after a position. */
function readAfter(
  { store }: Opened<MemoryHistory>,
  room: string,
  position: string,
  limit = 1_000,
): [string, ...string[]] {
  const { outcome, entries } = store.read(room, { after: position, limit });
  return [outcome, ...textsOf(entries)];
}

describe("what was kept in memory", () => {
  test("comes back in order, as the very objects that were given", () => {
    const { host, store } = open();
    const bytes = Buffer.from("hello");
    const entry = { room: "a", bytes, isBinary: true, source: "c1", at: host.clock.now() };
    const position = store.append(entry);
    store.append(host.text("a", "world"));
    const { outcome, entries, position: last } = store.read("a", ALL);
    expect(outcome).toBe("complete");
    expect(entries[0]).toEqual({ ...entry, position });
    expect(entries[0]?.bytes).toBe(bytes);
    expect(entries[1]?.position).toBe(last);
    expect(entries[1]).not.toHaveProperty("source");
    expect(textsOf(entries)).toEqual(["hello", "world"]);
  });

  test("is read from the end with `last`, and at most `limit`", () => {
    const { store, keep } = open();
    keep("a", "1", "2", "3", "4", "5");
    expect(textsOf(store.read("a", { last: 2, limit: 100 }).entries)).toEqual(["4", "5"]);
    expect(textsOf(store.read("a", { last: 4, limit: 3 }).entries)).toEqual(["3", "4", "5"]);
    expect(textsOf(store.read("a", { last: 0, limit: 100 }).entries)).toEqual([]);
    expect(textsOf(store.read("a", { last: 9, limit: 100 }).entries)).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("stays in order while a ring grows and turns over", () => {
    const { store, keep } = open({ maxMessages: 37 });
    const sent: string[] = [];
    for (let i = 0; i < 500; i++) {
      keep("a", `${i}`);
      sent.push(`${i}`);
      expect(textsOf(store.read("a", ALL).entries)).toEqual(sent.slice(-37));
    }
  });

  test("is forgotten when the store is closed", () => {
    const kept = open();
    const [position = ""] = kept.keep("a", "1");
    kept.store.close();
    expect(kept.store.append(kept.host.text("a", "2"))).toBeUndefined();
    expect(() => kept.store.read("a", ALL)).toThrow("closed");
    kept.store.open(kept.host);
    expect(readAfter(kept, "a", position)).toEqual(["unknown"]);
  });
});

describe("a position in memory", () => {
  test("is complete while its message is there, a gap once the message has gone by number", () => {
    const kept = open({ maxMessages: 2 });
    const [one = "", two = "", three = ""] = kept.keep("a", "1", "2", "3");
    expect(readAfter(kept, "a", one)).toEqual(["gap"]);
    expect(readAfter(kept, "a", two)).toEqual(["complete", "3"]);
    expect(readAfter(kept, "a", three)).toEqual(["complete"]);
  });

  test("is a gap once the message has gone by bytes; a message larger than the limit is kept alone", () => {
    const kept = open({ maxBytes: 10 });
    const [one = "", two = ""] = kept.keep("a", "1234", "123456", "1");
    expect(readAfter(kept, "a", one)).toEqual(["gap"]);
    expect(readAfter(kept, "a", two)).toEqual(["complete", "1"]);
    const [huge = ""] = kept.keep("a", "x".repeat(1_000));
    expect(textsOf(kept.store.read("a", ALL).entries)).toEqual(["x".repeat(1_000)]);
    expect(readAfter(kept, "a", two)).toEqual(["gap"]);
    expect(readAfter(kept, "a", huge)).toEqual(["complete"]);
    kept.keep("a", "small");
    expect(textsOf(kept.store.read("a", ALL).entries)).toEqual(["small"]);
  });

  test("is a gap once the message has gone by age, without a trim", () => {
    const kept = open({ maxAgeMs: 1_000 });
    const [one = ""] = kept.keep("a", "1");
    kept.host.clock.pass(600);
    const [two = ""] = kept.keep("a", "2");
    kept.host.clock.pass(400);
    expect(readAfter(kept, "a", one)).toEqual(["complete", "2"]);
    kept.host.clock.pass(1);
    expect(readAfter(kept, "a", one)).toEqual(["gap"]);
    expect(readAfter(kept, "a", two)).toEqual(["complete"]);
  });

  test("of the start is complete until something goes, a gap afterwards", () => {
    const kept = open({ maxMessages: 2 });
    const { position: start } = kept.store.read("a", { last: 0, limit: 100 });
    expect(readAfter(kept, "a", start)).toEqual(["complete"]);
    kept.keep("a", "1", "2");
    expect(readAfter(kept, "a", start)).toEqual(["complete", "1", "2"]);
    kept.keep("a", "3");
    expect(readAfter(kept, "a", start)).toEqual(["gap"]);
  });

  test("of the start is new when the room is empty again, and the last message's position is a gap", () => {
    const kept = open({ maxAgeMs: 1_000 });
    const [one = ""] = kept.keep("a", "1");
    kept.host.clock.pass(1_001);
    const { entries, position: start } = kept.store.read("a", ALL);
    expect(entries).toEqual([]);
    expect(readAfter(kept, "a", one)).toEqual(["gap"]);
    expect(readAfter(kept, "a", start)).toEqual(["complete"]);
    expect(start > one).toBe(true);
    const [two = ""] = kept.keep("a", "2");
    expect(readAfter(kept, "a", start)).toEqual(["complete", "2"]);
    expect(readAfter(kept, "a", one)).toEqual(["gap"]);
    expect(two > start).toBe(true);
  });

  test("that was never given, of the future or of another room is no anchor", () => {
    const kept = open();
    const [one = ""] = kept.keep("a", "1", "2");
    kept.keep("b", "1");
    expect(readAfter(kept, "b", one)).toEqual(["unknown"]);
    const epoch = one.slice(0, 12);
    expect(readAfter(kept, "a", `${epoch}-13`)).toEqual(["gap"]);
    for (const garbage of ["", "1", `${epoch}-`, `${epoch}-1`, `${epoch}-21`, `${epoch}-201`, ` ${one}`, `${one}\n`])
      expect(readAfter(kept, "a", garbage)).toEqual(["unknown"]);
  });

  test("further back than `limit` is a gap", () => {
    const kept = open();
    const { position: start } = kept.store.read("a", { last: 0, limit: 2 });
    const [one = "", two = ""] = kept.keep("a", "1", "2", "3", "4");
    expect(readAfter(kept, "a", start, 3)).toEqual(["gap"]);
    expect(readAfter(kept, "a", one, 2)).toEqual(["gap"]);
    expect(readAfter(kept, "a", two, 2)).toEqual(["complete", "3", "4"]);
  });
});

describe("rooms in memory", () => {
  test("go when all of their messages are too old, at a trim; younger messages stay", () => {
    const kept = open({ maxAgeMs: 1_000 });
    const [old = ""] = kept.keep("a", "old");
    kept.keep("b", "old");
    kept.host.clock.pass(600);
    const [young = ""] = kept.keep("b", "young");
    kept.host.clock.pass(600);
    kept.store.trim();
    expect(readAfter(kept, "a", old)).toEqual(["unknown"]);
    expect(readAfter(kept, "b", young)).toEqual(["complete"]);
    expect(textsOf(kept.store.read("b", ALL).entries)).toEqual(["young"]);
  });

  test("without messages go when nobody has asked for them within the age", () => {
    const kept = open({ maxAgeMs: 1_000 });
    const { position: start } = kept.store.read("a", ALL);
    const { position: other } = kept.store.read("b", ALL);
    kept.host.clock.pass(600);
    expect(readAfter(kept, "a", start)).toEqual(["complete"]);
    kept.host.clock.pass(600);
    kept.store.trim();
    expect(readAfter(kept, "a", start)).toEqual(["complete"]);
    expect(readAfter(kept, "b", other)).toEqual(["unknown"]);
  });

  test("beyond the limit go: rooms without messages first, then the room whose last message is oldest", () => {
    const kept = open({ maxRooms: 3 });
    const [a = ""] = kept.keep("a", "1");
    const [b = ""] = kept.keep("b", "1");
    const { position: empty } = kept.store.read("empty", ALL);
    kept.keep("a", "2");
    kept.keep("c", "1");
    expect(readAfter(kept, "a", a)).toEqual(["complete", "2"]);
    expect(readAfter(kept, "b", b)).toEqual(["complete"]);
    kept.keep("d", "1");
    expect(readAfter(kept, "a", a)).toEqual(["complete", "2"]);
    expect(readAfter(kept, "empty", empty)).toEqual(["unknown"]);
    expect(readAfter(kept, "b", b)).toEqual(["unknown"]);
  });

  test("that are only asked for do not push messages out", () => {
    const kept = open({ maxRooms: 3 });
    const positions = ["a", "b", "c"].map((room) => kept.keep(room, "1")[0] ?? "");
    for (let i = 0; i < 100; i++) kept.store.read(`room-${i}`, ALL);
    for (const [i, room] of ["a", "b", "c"].entries())
      expect(readAfter(kept, room, positions[i] ?? "")).toEqual(["complete"]);
  });

  test("10,000 of them that are idle go in one trim", () => {
    const kept = open({ maxRooms: 10_000, maxAgeMs: 1_000 });
    const positions = Array.from({ length: 10_000 }, (_, i) => kept.keep(`room-${i}`, "hello")[0] ?? "");
    kept.host.clock.pass(1_001);
    kept.store.trim();
    // A room that was still there would say "gap".
    const outcomes = positions.map(
      (position, i) => kept.store.read(`room-${i}`, { after: position, limit: 1 }).outcome,
    );
    expect(new Set(outcomes)).toEqual(new Set(["unknown"]));
  });
});
