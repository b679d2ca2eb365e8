/** Tests of stores with `subscribe`, which several nodes share. A store without `subscribe` has nothing to show here, and passes. */
import assert from "node:assert/strict";
import type { Declare, OpenNode } from "./contracts.js";
import { checkOrder, type StoreNode, textsOf } from "./store-node.js";

type Declared = (title: string, run: (node: StoreNode, open: OpenNode) => Promise<void>) => void;

export function declareSubscriptions(declareAll: Declare): void {
  const declare: Declared = (title, run) =>
    declareAll(`history, with subscribe: ${title}`, async (open) => {
      const node = await open();
      if (node.store.subscribe !== undefined) await run(node, open);
    });

  declare("every node hears the messages of all nodes, its own too, in one order", async (node, open) => {
    const nodes = [node, await open(), await open()];
    for (const one of nodes) await one.hear("a");
    for (let i = 0; i < 60; i++) nodes[i % 3]?.store.append(node.text("a", `${i}`));
    const heard = await Promise.all(nodes.map((one) => hearAll(one, 60)));
    for (const texts of heard) assert.equal(texts, heard[0]);
    for (const [i] of nodes.entries()) {
      const own = (heard[0] ?? "").split(" ").filter((text) => Number(text) % 3 === i);
      assert.deepEqual(
        own,
        own.toSorted((a, b) => Number(a) - Number(b)),
        "messages of one node stay in their order",
      );
    }
    for (const one of nodes)
      assert.equal(await one.last("a"), heard[0], "the order of readings is that of subscriptions");
  });

  declare("an entry is what was appended, with the position that readings tell", async (node) => {
    const heard = await node.hear("a");
    const bytes = Buffer.from([0, 255, 128]);
    await node.keepOne({ ...node.text("a", ""), bytes, isBinary: true, source: "c-1" });
    await node.keep("a", "text");
    checkOrder(heard);
    const { entries } = await node.read("a", { last: 2, limit: 2 });
    const comparable = (all: typeof heard) =>
      all.map((entry) => ({ ...entry, bytes: Buffer.from(entry.bytes), source: entry.source }));
    assert.deepEqual(comparable(heard), comparable(entries));
    assert.equal(heard[0]?.source, "c-1");
    assert.deepEqual(Buffer.from(heard[0]?.bytes ?? []), bytes);
  });

  declare("a subscription brings each message from its confirmation on, of its room alone", async (node, open) => {
    const other = await open();
    await other.keep("a", "before");
    const heard = await node.hear("a");
    await other.keep("b", "of another room");
    await other.keep("a", "1", "2");
    await node.until(() => heard.length >= 2);
    assert.equal(textsOf(heard), "1 2");
  });

  declare("an ended subscription brings nothing more, and can begin again", async (node, open) => {
    const other = await open();
    const first = await node.hear("a");
    await other.keep("a", "1");
    await node.until(() => first.length === 1);
    node.endHearing("a");
    const fence = await node.hear("fence");
    await other.keep("a", "2");
    await other.keep("fence", "3");
    await node.until(() => fence.length === 1);
    assert.equal(textsOf(first), "1");
    const again = await node.hear("a");
    await other.keep("a", "4");
    await node.until(() => again.length === 1);
    assert.deepEqual([textsOf(first), textsOf(again)], ["1", "4"]);
  });

  declare("a node that comes later reads what others have kept", async (node, open) => {
    const positions = await node.keep("a", "1", "2", "3");
    const later = await open();
    assert.equal(await later.after("a", positions[0] ?? ""), "complete: 2 3");
    await later.keep("a", "4");
    assert.equal(await node.after("a", positions[0] ?? ""), "complete: 2 3 4");
  });
}

async function hearAll(node: StoreNode, count: number): Promise<string> {
  const heard = await node.hear("a");
  await node.until(() => heard.length >= count);
  checkOrder(heard);
  return textsOf(heard);
}
