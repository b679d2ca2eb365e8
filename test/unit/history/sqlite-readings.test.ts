/** Many who ask a file of history the same at once: the file is read once, and what has changed since is never missing. */
import { describe, expect, test } from "vitest";
import { requires } from "../../e2e/requires.js";
import { newFile, type OpenedFile, openFile } from "./files.js";
import { textsOf } from "./stage.js";

const { skip } = requires("sqlite");

const LAST = { last: 3, limit: 3 };

async function read({ store }: OpenedFile, query: object = LAST): Promise<readonly [string, readonly string[]]> {
  const { outcome, entries } = await store.read("room", { limit: 3, ...query });
  return [outcome, textsOf(entries)];
}

describe.skipIf(skip)("a room in a file that is read again", () => {
  test("is answered with the very bytes of before, until something comes", async () => {
    const opened = openFile(newFile());
    const { store, keep } = opened;
    const [first = ""] = keep("room", "1", "2");
    for (const query of [LAST, { after: first, limit: 3 }]) {
      const before = await store.read("room", query);
      const again = await store.read("room", { ...query });
      expect(again.entries[0]?.bytes).toBe(before.entries[0]?.bytes);
    }
    keep("room", "3");
    expect(await read(opened, { after: first })).toEqual(["complete", ["2", "3"]]);
    expect(await read(opened)).toEqual(["complete", ["1", "2", "3"]]);
    expect(await read(opened, { last: 1 })).toEqual(["complete", ["3"]]);
    expect(await read(opened, { last: 3, limit: 2 })).toEqual(["complete", ["2", "3"]]);
  });

  test("tells nothing that has gone: by number, by age, with the room", async () => {
    const opened = openFile(newFile(), { maxMessages: 3, maxAgeMs: 1_000, maxRooms: 1 });
    const { host, keep } = opened;
    const [first = ""] = keep("room", "1", "2");
    expect(await read(opened, { after: first })).toEqual(["complete", ["2"]]);
    keep("room", "3", "4");
    expect(await read(opened, { after: first })).toEqual(["gap", []]);
    expect(await read(opened)).toEqual(["complete", ["2", "3", "4"]]);
    host.clock.pass(600);
    const [fifth = ""] = keep("room", "5");
    expect(await read(opened)).toEqual(["complete", ["3", "4", "5"]]);
    host.clock.pass(600);
    expect(await read(opened)).toEqual(["complete", ["5"]]);
    keep("another", "takes the only place");
    expect(await read(opened)).toEqual(["complete", []]);
    expect(await read(opened, { after: fifth })).toEqual(["unknown", []]);
  });

  test("holds no more than some readings: the room read longest ago is read from the file again", async () => {
    const { host, store, keep } = openFile(newFile(), { maxBytes: 10_000_000 });
    for (const room of ["a", "b", "c"]) {
      keep(room, "x".repeat(7_000_000));
      host.endTurn();
    }
    const bytesOf = async (room: string): Promise<Uint8Array | undefined> =>
      (await store.read(room, LAST)).entries[0]?.bytes;
    const [a, b, a2, c, a3, b2] = [
      await bytesOf("a"),
      await bytesOf("b"),
      await bytesOf("a"),
      await bytesOf("c"),
      await bytesOf("a"),
      await bytesOf("b"),
    ];
    expect(c).toHaveLength(7_000_000);
    expect([a === a2, a === a3, b === b2]).toEqual([true, true, false]);
  });
});
