/** Tests of stores: which positions are anchors. `"complete"` is a promise that nothing is missing, so most tests try to get a false promise. */
import assert from "node:assert/strict";
import type { Declare } from "./contracts.js";

/** What a client can send in place of a position. */
const GARBAGE: readonly string[] = [
  ...[
    "",
    " ",
    "0",
    "1",
    "-1",
    "0-0",
    "0-1",
    "-",
    "+",
    "$",
    ">",
    "*",
    "null",
    "undefined",
    "NaN",
    "Infinity",
    "1e9",
    "true",
  ],
  ...[
    "{}",
    "[]",
    "'; DROP TABLE messages; --",
    "' OR '1'='1",
    "%",
    "_",
    "../..",
    "a\u0000b",
    "\r\nPING\r\n",
    "__proto__",
  ],
  ...[
    "ä€😀",
    "\u{1f600}".repeat(10_000),
    "\ud800",
    "9".repeat(1_000_000),
    "f".repeat(1_000_000),
    "18446744073709551616-0",
  ],
];

/** Strings near a position that is one. */
function spoiled(position: string): string[] {
  return [
    ...[
      ` ${position}`,
      `${position} `,
      `${position}\n`,
      `${position}\u0000`,
      `${position}0`,
      `0${position}`,
      `${position}.0`,
    ],
    ...[`${position}-0`, position.slice(1), `${position}${"0".repeat(100_000)}`, `${position}\ud800`],
  ];
}

export function declareAnchors(declare: Declare): void {
  declare("history: after a message come the messages that followed, once each", async (open) => {
    const node = await open();
    const [one = "", two = "", three = "", four = ""] = await node.keep("a", "1", "2", "3", "4");
    await node.keep("b", "other");
    assert.equal(await node.after("a", one), "complete: 2 3 4");
    assert.equal(await node.after("a", two), "complete: 3 4");
    assert.equal(await node.after("a", three), "complete: 4");
    assert.equal(await node.after("a", four), "complete: ");
    await node.keep("a", "5");
    assert.equal(await node.after("a", four), "complete: 5");
  });

  declare("history: last tells the newest messages, at most limit", async (open) => {
    const node = await open();
    await node.keep("a", "1", "2", "3", "4", "5");
    assert.equal(await node.last("a", 2), "4 5");
    assert.equal(await node.last("a", 5), "1 2 3 4 5");
    assert.equal(await node.last("a", 100), "1 2 3 4 5");
    assert.equal(await node.last("a", 0), "");
    assert.equal(await node.last("a", 5, 3), "3 4 5");
    assert.equal(await node.last("empty", 5), "");
  });

  declare("history: a position further back than limit is a gap, never a part", async (open) => {
    const node = await open();
    const start = await node.position("a");
    const [one = "", two = ""] = await node.keep("a", "1", "2", "3", "4");
    assert.equal(await node.after("a", one, 2), "gap");
    assert.equal(await node.after("a", start, 3), "gap");
    assert.equal(await node.after("a", two, 2), "complete: 3 4");
    assert.equal(await node.after("a", one, 3), "complete: 2 3 4");
    assert.equal(await node.after("a", start, 4), "complete: 1 2 3 4");
  });

  declare("history: the start of an empty room is an anchor, however often the room is asked", async (open) => {
    const node = await open();
    const start = await node.position("a");
    const again = await node.position("a");
    assert.equal((await node.read("a", { after: "no position", limit: 9 })).outcome, "unknown");
    const { position: unknown } = await node.read("a", { after: "no position", limit: 9 });
    for (const position of [start, again, unknown]) assert.equal(await node.after("a", position), "complete: ");
    await node.keep("a", "1");
    for (const position of [start, again, unknown]) assert.equal(await node.after("a", position), "complete: 1");
    await node.keep("a", "2");
    assert.equal(await node.after("a", start), "complete: 1 2");
  });

  declare("history: the position of a reading is an anchor, with every outcome", async (open) => {
    const node = await open({ maxMessages: 2 });
    const [one = ""] = await node.keep("a", "1", "2", "3");
    const positions = [await node.position("a")];
    for (const after of [one, "no position"]) positions.push((await node.read("a", { after, limit: 2 })).position);
    await node.keep("a", "4");
    for (const position of positions) assert.equal(await node.after("a", position), "complete: 4");
  });

  declare("history: the position of another room is no anchor", async (open) => {
    const node = await open();
    const start = await node.position("a");
    const positions = [start, ...(await node.keep("a", "1", "2", "3"))];
    const others = [await node.position("b"), ...(await node.keep("b", "1", "2"))];
    for (const position of positions) await node.isGone("b", position, "the position is of another room");
    for (const position of others) await node.isGone("a", position, "the position is of another room");
    for (const position of [...positions, ...others])
      await node.isGone("empty", position, "the position is of another room");
  });

  declare("history: the position of another store is unknown", async (open) => {
    const [node, other] = [await open(), await open({}, "other")];
    const positions = [await node.position("a"), ...(await node.keep("a", "1", "2", "3"))];
    const start = await other.position("a");
    assert.ok(!positions.includes(start), "two stores do not share a position");
    for (const position of positions) assert.equal(await other.after("a", position), "unknown");
    await other.keep("a", "1", "2", "3");
    for (const position of positions) assert.equal(await other.after("a", position), "unknown");
  });

  declare("history: strings that are no position are unknown, however long", async (open) => {
    const node = await open();
    for (const room of ["a", "empty"]) {
      if (room === "a") await node.keep("a", "1", "2");
      for (const text of GARBAGE)
        assert.equal(await node.after(room, text), "unknown", JSON.stringify(text.slice(0, 40)));
    }
    assert.equal(await node.last("a"), "1 2");
  });

  declare("history: a position with something added or cut off is no anchor", async (open) => {
    const node = await open();
    const positions = [await node.position("a"), ...(await node.keep("a", "1", "2"))];
    const known = new Set(positions);
    for (const position of positions)
      for (const text of spoiled(position))
        if (!known.has(text)) await node.isGone("a", text, JSON.stringify(text.slice(0, 60)));
  });
}
