/**
 * The tests of what an adapter with `isOrdered` promises: one order of all packets with `echo`. An adapter that promises nothing passes, and gets no
 * packet with `echo`.
 */
import assert from "node:assert/strict";
import { type AdapterNode, ECHO, texts } from "./adapter-node.js";

/** Declares a test that opens nodes of one cluster. */
type Declare = (title: string, run: (open: () => Promise<AdapterNode>) => Promise<void>) => void;

const ROUNDS = 100;

export function declareOrderTests(declare: Declare): void {
  const declareOrdered: Declare = (title, run) =>
    declare(`if the adapter says isOrdered, ${title}`, async (add) => {
      const opened = [await add()];
      if (opened[0]?.isOrdered) await run(async () => opened.shift() ?? add());
    });

  declareOrdered("a packet with echo comes back to its node once, its bytes as they were", async (add) => {
    const [node, other] = [await add(), await add()];
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (const each of [node, other]) await each.subscribe("@room.a");
    node.publish("@room.a", bytes, ECHO);
    node.publishEnd(ECHO);
    for (const each of [node, other])
      assert.deepEqual(await each.untilEnd(), [{ subject: "@room.a", packet: bytes }], "each gets it once, unchanged");
  });

  declareOrdered("all subscribers see the packets with echo of all nodes in one order", async (add) => {
    const nodes = [await add(), await add(), await add()];
    for (const node of nodes) await node.subscribe("@room.a");
    for (let round = 0; round < ROUNDS; round++)
      for (const [i, node] of nodes.entries()) {
        node.publish("@room.a", `${i} ${round}`, ECHO);
        node.link?.flush();
      }
    for (const node of nodes) node.publishEnd(ECHO);
    const [first = [], ...others] = await Promise.all(
      nodes.map(async (node) => texts(await node.untilEnd(nodes.length))),
    );
    for (const order of others) assert.deepEqual(order, first, "each node sees what the first node sees");
    for (const i of nodes.keys()) {
      const own = first.filter((text) => text.startsWith(`${i} `));
      assert.deepEqual(
        own,
        Array.from({ length: ROUNDS }, (_, round) => `${i} ${round}`),
        "and each node's own order",
      );
    }
  });

  declareOrdered("a packet with echo comes back to subscribers alone", async (add) => {
    const [node, other] = [await add(), await add()];
    await node.subscribe("@room.b");
    await other.subscribe("@room.a");
    node.publish("@room.a", "not for me", ECHO);
    node.publishEnd(ECHO);
    assert.deepEqual(texts(await other.untilEnd()), ["not for me"]);
    assert.deepEqual(await node.untilEnd(), []);
  });

  declareOrdered("packets with echo and without keep the order of their node", async (add) => {
    const [node, other] = [await add(), await add()];
    for (const each of [node, other]) await each.subscribe("@room.a", "@room.b");
    const sent = Array.from({ length: ROUNDS }, (_, i) => `${i}`);
    for (const [i, text] of sent.entries())
      node.publish(i % 3 === 0 ? "@room.b" : "@room.a", text, ...(i % 2 ? [ECHO] : []));
    node.publishEnd(ECHO);
    assert.deepEqual(texts(await other.untilEnd()), sent);
    const arrived = texts(await node.untilEnd());
    assert.deepEqual(
      arrived.filter((text) => Number(text) % 2 === 1),
      sent.filter((text) => Number(text) % 2 === 1),
      "the node's own packets with echo come back",
    );
    assert.equal(new Set(arrived).size, arrived.length, "and packets without come back once at most");
  });
}
