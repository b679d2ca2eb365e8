/** Tests of stores: a server closes its store, and another server opens what is left. */
import assert from "node:assert/strict";
import type { Declare, OpenNode } from "./contracts.js";
import type { StoreNode } from "./store-node.js";

export function declareRestarts(declare: Declare, survives: boolean, trims: boolean): void {
  declareEveryRestart(declare);
  if (survives) declareSurvivors(declare, trims);
  else
    declare("history: a store that does not survive knows no position of before", async (open) => {
      const node = await open();
      const positions = [await node.position("a"), ...(await node.keep("a", "1", "2"))];
      const [again, start] = await restart(node, open);
      for (const position of positions) assert.equal(await again.after("a", position), "unknown");
      assert.equal(await again.last("a"), "");
      assert.equal(await again.after("a", start), "complete: ");
    });
}

/** The next node, and the position of the room `a` in it. */
async function restart(node: StoreNode, open: OpenNode, limits = {}): Promise<[node: StoreNode, position: string]> {
  await node.close();
  const again = await open(limits);
  return [again, await again.position("a")];
}

function declareEveryRestart(declare: Declare): void {
  declare("history: after a restart no position is given twice, and none makes a false promise", async (open) => {
    let node = await open();
    const start = await node.position("a");
    const given = new Map<string, string>([[start, ""]]);
    for (let life = 0; life < 4; life++) {
      const positions = await node.keep("a", `a${life}`, `b${life}`);
      for (const [i, position] of positions.entries()) {
        assert.ok(!given.has(position), "no position is given twice");
        given.set(position, `${"ab"[i]}${life}`);
      }
      const texts = [...given.values()];
      for (const [i, position] of [...given.keys()].entries()) {
        const answer = await node.after("a", position);
        const rest = `complete: ${texts.slice(i + 1).join(" ")}`;
        assert.ok([rest, "gap", "unknown"].includes(answer), `${answer} instead of ${rest}`);
      }
      [node] = await restart(node, open);
    }
  });

  declare("history: the same store can be closed and opened again", async (open) => {
    const node = await open();
    await node.keep("a", "1");
    await node.close();
    await node.open();
    const [position = ""] = await node.keep("a", "2", "3");
    assert.equal(await node.after("a", position), "complete: 3");
  });

  declare("history: append does not throw after close", async (open) => {
    const node = await open();
    await node.close();
    assert.equal(node.store.append(node.text("a", "late")), undefined, "a closed store takes nothing");
  });
}

function declareSurvivors(declare: Declare, trims: boolean): void {
  declare("history: what was kept is there after a restart, and positions go on", async (open) => {
    const node = await open();
    const entry = { ...node.text("a", ""), bytes: Buffer.from([0, 255, 128]), isBinary: true, source: "c-1" };
    const one = await node.keepOne(entry);
    const [two = ""] = await node.keep("a", "2");
    const [again, position] = await restart(node, open);
    assert.equal(position, two);
    assert.equal(await again.after("a", one), "complete: 2");
    const [three = ""] = await again.keep("a", "3");
    assert.ok(three > two, "positions of an epoch sort over restarts");
    assert.equal(await again.after("a", one), "complete: 2 3");
    const { entries } = await again.read("a", { last: 3, limit: 3 });
    const [{ bytes, ...rest } = { bytes: Buffer.alloc(0) }] = entries;
    const { bytes: sent, ...others } = entry;
    assert.deepEqual({ ...rest }, { ...others, position: one });
    assert.deepEqual(Buffer.from(bytes), sent);
  });

  declare("history: close writes what waits", async (open) => {
    const node = await open();
    if (node.store.subscribe !== undefined) await node.hear("a");
    for (let i = 0; i < 100; i++) node.store.append(node.text("a", `${i}`));
    const [again] = await restart(node, open);
    assert.equal(await again.last("a"), Array.from({ length: 100 }, (_, i) => `${i}`).join(" "));
  });

  declare("history: limits that are lower after a restart hold", async (open) => {
    const node = await open();
    const [one = ""] = await node.keep("a", "1", "2", "3", "4");
    const [again] = await restart(node, open, { maxMessages: 2 });
    assert.equal(await again.last("a", 100, 2), "3 4");
    assert.equal(await again.after("a", one), "gap");
    await again.keep("a", "5");
    assert.equal(await again.last("a", 100, 2), "4 5");
  });

  declare("history: messages age while no server runs", async (open) => {
    const node = await open({ maxAgeMs: 1_000 });
    const [one = ""] = await node.keep("a", "1");
    node.pass(600);
    await node.keep("a", "2");
    await node.close();
    node.pass(401);
    const again = await open({ maxAgeMs: 1_000 });
    assert.equal(await again.last("a"), "2");
    assert.equal(await again.after("a", one), "gap");
  });

  if (!trims) return;
  declare("history: a gap is a gap after a restart", async (open) => {
    const node = await open({ maxMessages: 2 });
    const start = await node.position("a");
    const [one = ""] = await node.keep("a", "1", "2", "3");
    const [again] = await restart(node, open, { maxMessages: 100 });
    for (const position of [start, one]) assert.equal(await again.after("a", position), "gap");
    await again.keep("a", "4");
    for (const position of [start, one]) assert.equal(await again.after("a", position), "gap");
    assert.equal(await again.last("a"), "2 3 4");
  });

  declare("history: a trim removes what is too old, for every later server", async (open) => {
    const node = await open({ maxAgeMs: 1_000 });
    const [old = ""] = await node.keep("a", "old");
    const [gone = ""] = await node.keep("b", "old");
    node.pass(600);
    await node.keep("a", "young");
    node.pass(500);
    await node.store.trim();
    const [again] = await restart(node, open);
    assert.equal(await again.last("a"), "young");
    assert.equal(await again.last("b"), "");
    await again.isGone("a", old, "the trim has removed the message");
    await again.isGone("b", gone, "the trim has removed the message");
  });
}
