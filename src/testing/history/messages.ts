/** Tests of stores: what is kept comes back as it was, in order, at once, and in its own room. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { MessageToKeep } from "../../api/history-store.js";
import type { Declare } from "./contracts.js";
import { checkOrder, type StoreNode, textsOf } from "./store-node.js";

/** Large enough for any network to cut; engines with messages of at most 1 MiB take it. */
const LARGE_BYTES = 900_000;
/** Beyond 2, 3 and 4 digits in base 10, 16 and 36. */
const MANY = 2_500;

export function declareMessages(declare: Declare): void {
  declare("history: a message comes back as it was", async (open) => {
    const node = await open();
    const sent = messagesOfEachKind(node);
    const positions = await node.keepAll("a", sent);
    const { entries } = await node.read("a", { last: 100, limit: 100 });
    assert.deepEqual(
      entries.map((entry) => ({ ...entry, bytes: base64(entry.bytes), source: entry.source })),
      sent.map((entry, i) => ({
        ...entry,
        bytes: base64(entry.bytes),
        source: entry.source,
        position: positions[i],
      })),
    );
  });

  declare("history: a large message comes back whole", async (open) => {
    const node = await open();
    const bytes = randomBytes(LARGE_BYTES);
    await node.keepOne({ ...node.text("a", ""), bytes, isBinary: true });
    await node.keep("a", "small");
    const { entries } = await node.read("a", { last: 2, limit: 2 });
    assert.ok(bytes.equals(entries[0]?.bytes ?? Buffer.alloc(0)), "its bytes are those that were sent");
    assert.equal(textsOf(entries.slice(1)), "small");
  });

  declare("history: messages come back in the order in which the store took the messages", async (open) => {
    const node = await open();
    const texts = Array.from({ length: MANY }, (_, i) => `${i}`);
    const positions = await node.keep("a", ...texts);
    const { entries } = await node.read("a", { last: MANY, limit: MANY });
    assert.equal(textsOf(entries), texts.join(" "));
    assert.deepEqual(
      entries.map(({ position }) => position),
      positions,
    );
    checkOrder(entries);
  });

  declare("history: a reading is what was there at the call, written or not", async (open) => {
    const node = await open();
    if (node.store.subscribe !== undefined) await node.hear("a");
    const readings = [];
    for (let i = 0; i < 20; i++) {
      readings.push(node.last("a"));
      node.store.append(node.text("a", `${i}`));
    }
    readings.push(node.last("a"));
    const seen = await Promise.all(readings);
    assert.deepEqual(
      seen,
      seen.map((_, count) => Array.from({ length: count }, (_, i) => `${i}`).join(" ")),
    );
  });

  declare("history: a reading does not change afterwards", async (open) => {
    const node = await open({ maxMessages: 3 });
    await node.keep("a", "1", "2", "3");
    const { entries } = await node.read("a", { last: 3, limit: 3 });
    await node.keep("a", "4", "5", "6", "7");
    assert.equal(textsOf(entries), "1 2 3");
  });

  declare("history: a room has its own messages alone, whatever its name", async (open) => {
    const node = await open();
    const rooms = [
      ...[
        "a",
        "A",
        "a.b",
        "a.b.c",
        "a_b",
        "axb",
        "a%",
        "a%62",
        "a-b",
        "%",
        "_",
        "@",
        "#",
        "@a",
        "#a",
        "0",
        "constructor",
      ],
      ...["__proto__", "b".repeat(1_024), `${"b".repeat(1_023)}c`, `x.${"y".repeat(500)}.${"z".repeat(500)}`],
    ];
    for (const [i, room] of rooms.entries()) await node.keep(room, `first of ${i}`);
    for (const [i, room] of rooms.entries()) await node.keep(room, `second of ${i}`);
    for (const [i, room] of rooms.entries()) assert.equal(await node.last(room), `first of ${i} second of ${i}`);
  });

  declare("history: no two messages have the same position, in no two rooms", async (open) => {
    const node = await open({ maxMessages: 2 });
    const positions = [await node.position("a"), await node.position("b")];
    for (let i = 0; i < 10; i++)
      for (const room of ["a", "b"]) positions.push(...(await node.keep(room, "1", "2", "3")));
    assert.equal(new Set(positions).size, positions.length);
  });

  declare("history: append does not throw, and what is refused leaves no hole", async (open) => {
    const node = await open();
    const [before = ""] = await node.keep("a", "before");
    const room = node.store.subscribe === undefined ? "a" : "b";
    const entry = { ...node.text(room, ""), bytes: Buffer.alloc(LARGE_BYTES), isBinary: true };
    // Beyond the 16 MiB that may wait. A store with subscribe says by isUp that no more can be taken.
    const positions = Array.from({ length: 40 }, () => (node.isUp ? node.store.append(entry) : undefined));
    if (room === "a") await checkRefused(node, [before, ...positions]);
    node.host.endTurn();
    const [later = ""] = await node.keep("a", "later");
    assert.equal(await node.after("a", later), "complete: ");
    assert.equal(await node.last("a", 1), "later");
  });
}

/** @param positions of one room, without those of refused messages */
async function checkRefused(node: StoreNode, positions: readonly (string | undefined)[]): Promise<void> {
  const refused = positions.lastIndexOf(undefined);
  const { entries } = await node.read("a", { last: 100, limit: 100 });
  for (const position of positions.slice(0, Math.max(refused, 0))) {
    if (position === undefined) continue;
    await node.isGone("a", position, "a later message was refused");
    assert.ok(!entries.some((entry) => entry.position === position), "messages before a hole are not told with others");
  }
}

/** Short, since some versions of Node take minutes to show how long lists of bytes differ. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function messagesOfEachKind(node: StoreNode): MessageToKeep[] {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const text = node.text("a", "hello");
  const contents = [
    text,
    { ...text, bytes: Buffer.from("ä € 😀 \u0000 \u2028 '\"\\ \r\n %s {}") },
    { ...text, bytes: Buffer.alloc(0) },
    { ...text, bytes: Buffer.alloc(0), isBinary: true },
    { ...text, bytes: every, isBinary: true },
    // A part of a larger memory, as messages of sockets are.
    { ...text, bytes: every.subarray(100, 110), isBinary: true },
    { ...text, bytes: new Uint8Array([1, 2, 3]), isBinary: true },
    { ...text, source: "V1StGXR8_Z5jdHi6B-myT" },
    { ...text, bytes: every, isBinary: true, source: "c-1" },
    { ...text, at: text.at + 0.125 },
  ];
  return contents;
}
