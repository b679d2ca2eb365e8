/** Tests of stores: what goes, by number, bytes, age and rooms, and that positions say so. */
import assert from "node:assert/strict";
import type { HistoryLimits } from "../../api/history-store.js";
import type { Declare } from "./contracts.js";

/** The limits that some stores leave to their engine. */
export type EngineLimit = Extract<keyof HistoryLimits, "maxBytes" | "maxRooms"> | "trim";

export function declareLimits(declare: Declare, without: readonly EngineLimit[]): void {
  declareNumbers(declare);
  declareAges(declare);
  if (!without.includes("maxBytes")) declareBytes(declare);
  if (!without.includes("maxRooms")) declareRooms(declare);
}

function declareNumbers(declare: Declare): void {
  declare("history: beyond maxMessages the oldest goes, and its position is a gap", async (open) => {
    const node = await open({ maxMessages: 3 });
    const start = await node.position("a");
    const [one = "", two = "", three = ""] = await node.keep("a", "1", "2", "3");
    assert.equal(await node.after("a", start), "complete: 1 2 3", "nothing has gone yet");
    await node.keep("a", "4");
    assert.equal(await node.last("a"), "2 3 4");
    assert.equal(await node.after("a", start), "gap");
    assert.equal(await node.after("a", one), "gap");
    assert.equal(await node.after("a", two), "complete: 3 4");
    await node.keep("a", "5", "6", "7", "8");
    assert.equal(await node.after("a", start), "gap");
    assert.equal(await node.after("a", three), "gap");
    assert.equal(await node.last("a"), "6 7 8");
  });

  declare("history: with one message at most, each message is an anchor until the next", async (open) => {
    const node = await open({ maxMessages: 1 });
    let before = await node.position("a");
    for (let i = 0; i < 5; i++) {
      const [position = ""] = await node.keep("a", `${i}`);
      assert.equal(await node.last("a"), `${i}`);
      assert.equal(await node.after("a", position), "complete: ");
      if (i > 0) await node.isGone("a", before, "the message has gone");
      before = position;
    }
  });
}

function declareAges(declare: Declare): void {
  declare("history: a message older than maxAgeMs is not read, without a trim", async (open) => {
    const node = await open({ maxAgeMs: 1_000 });
    const start = await node.position("a");
    const [one = ""] = await node.keep("a", "1");
    node.pass(600);
    const [two = ""] = await node.keep("a", "2");
    node.pass(399);
    assert.equal(await node.after("a", start), "complete: 1 2");
    assert.equal(await node.after("a", one), "complete: 2");
    node.pass(2);
    assert.equal(await node.last("a"), "2");
    assert.equal(await node.after("a", one), "gap");
    assert.equal(await node.after("a", start), "gap");
    assert.equal(await node.after("a", two), "complete: ");
    node.pass(600);
    assert.equal(await node.last("a"), "");
  });

  for (const isTrimmed of [false, true])
    declare(
      `history: when all of a room has aged${isTrimmed ? " and was trimmed" : ""}, a new start is the anchor`,
      async (open) => {
        const node = await open({ maxAgeMs: 1_000 });
        const start = await node.position("a");
        const [one = "", two = ""] = await node.keep("a", "1", "2");
        node.pass(1_001);
        if (isTrimmed) await node.store.trim();
        for (const gone of [start, one, two]) await node.isGone("a", gone, "the message has gone by age");
        const anchor = await node.position("a");
        assert.equal(await node.after("a", anchor), "complete: ");
        await node.keep("a", "3");
        assert.equal(await node.after("a", anchor), "complete: 3");
        for (const gone of [start, one, two]) await node.isGone("a", gone, "the message has gone by age");
        assert.equal(await node.last("a"), "3");
      },
    );

  declare(
    "history: a message that comes after all others have aged does not hide that something has gone",
    async (open) => {
      const node = await open({ maxAgeMs: 1_000 });
      const start = await node.position("a");
      const [one = ""] = await node.keep("a", "1");
      node.pass(1_001);
      const [two = ""] = await node.keep("a", "2");
      assert.equal(await node.last("a"), "2");
      for (const gone of [start, one]) await node.isGone("a", gone, "the message has gone by age");
      assert.equal(await node.after("a", two), "complete: ");
    },
  );

  declare("history: a trim leaves what is within the limits", async (open) => {
    const node = await open({ maxAgeMs: 1_000 });
    await node.store.trim();
    const empty = await node.position("empty");
    await node.keep("a", "old");
    node.pass(600);
    const [young = ""] = await node.keep("a", "young", "younger");
    await node.store.trim();
    assert.equal(await node.last("a"), "old young younger");
    node.pass(399);
    await node.store.trim();
    await node.store.trim();
    assert.equal(
      await node.after("empty", empty),
      "complete: ",
      "a room without messages was asked for within maxAgeMs",
    );
    node.pass(2);
    await node.store.trim();
    assert.equal(await node.last("a"), "young younger");
    assert.equal(await node.after("a", young), "complete: younger");
  });
}

function declareBytes(declare: Declare): void {
  declare("history: beyond maxBytes the oldest goes, and its position is a gap", async (open) => {
    const node = await open({ maxBytes: 10 });
    const start = await node.position("a");
    const [one = "", two = ""] = await node.keep("a", "1234", "123456");
    assert.equal(await node.after("a", start), "complete: 1234 123456");
    await node.keep("a", "1");
    assert.equal(await node.after("a", start), "gap");
    assert.equal(await node.after("a", one), "gap");
    assert.equal(await node.after("a", two), "complete: 1");
    await node.keep("b", "1234567890");
    assert.equal(await node.last("a"), "123456 1", "rooms do not share the bytes");
  });

  declare("history: bytes are counted, not characters", async (open) => {
    const node = await open({ maxBytes: 10 });
    await node.keep("a", "€€", "€€");
    assert.equal(await node.last("a"), "€€");
  });

  declare("history: a message larger than maxBytes is kept alone, until the next", async (open) => {
    const node = await open({ maxBytes: 10 });
    const huge = "x".repeat(1_000);
    const [one = ""] = await node.keep("a", "1");
    const [position = ""] = await node.keep("a", huge);
    assert.equal(await node.last("a"), huge);
    assert.equal(await node.after("a", one), "gap");
    assert.equal(await node.after("a", position), "complete: ");
    await node.keep("a", "2");
    assert.equal(await node.last("a"), "2");
    assert.equal(await node.after("a", position), "gap");
  });
}

function declareRooms(declare: Declare): void {
  declare("history: beyond maxRooms the room goes whose last message is oldest", async (open) => {
    const node = await open({ maxRooms: 3 });
    const start = await node.position("a");
    const [a = ""] = await node.keep("a", "1");
    const [b = ""] = await node.keep("b", "1");
    await node.keep("c", "1");
    await node.keep("a", "2");
    await node.last("b");
    await node.keep("d", "1");
    assert.equal(await node.after("a", a), "complete: 2");
    assert.equal(await node.after("a", start), "complete: 1 2");
    assert.deepEqual([await node.last("c"), await node.last("d")], ["1", "1"]);
    await node.isGone("b", b, "the room has gone");
    assert.equal(await node.last("b"), "");
  });

  declare("history: rooms that are only asked for do not push messages out", async (open) => {
    const node = await open({ maxRooms: 3 });
    await node.keep("a", "1");
    await node.keep("b", "1");
    const starts = [];
    for (let i = 0; i < 20; i++) starts.push(await node.position(`room-${i}`));
    assert.equal(await node.after("room-19", starts[19] ?? ""), "complete: ");
    await node.keep("c", "1");
    assert.deepEqual([await node.last("a"), await node.last("b"), await node.last("c")], ["1", "1", "1"]);
  });

  declare("history: a room that has gone and comes back has forgotten its positions", async (open) => {
    const node = await open({ maxRooms: 2 });
    const before = [await node.position("a"), ...(await node.keep("a", "1", "2"))];
    for (const room of ["b", "c", "d"]) await node.keep(room, "1");
    for (const position of before) await node.isGone("a", position, "the room has gone");
    const after = [await node.position("a"), ...(await node.keep("a", "3", "4", "5"))];
    for (const position of before) await node.isGone("a", position, "the room has gone");
    assert.equal(new Set([...before, ...after]).size, before.length + after.length, "no position is given twice");
    assert.equal(await node.last("a"), "3 4 5");
  });
}
