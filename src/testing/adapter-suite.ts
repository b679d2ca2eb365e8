/**
 * The tests of the contract of cluster adapters, for authors of adapters; Sendall's own adapters pass the tests too. No test waits for a
 * time: once a later packet has arrived, an earlier packet will not arrive any more. Each test closes the links that it has opened.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import { type AdapterNode, openNode, texts } from "./adapter-node.js";
import { declareOrderTests } from "./adapter-order.js";

/** The test runner and the adapter for {@link testClusterAdapter}. */
export interface ClusterAdapterTest {
  /** Declares one test: `test` of vitest, of `node:test` or of any other runner. */
  readonly test: (title: string, run: () => Promise<void>) => unknown;
  /**
   * Makes an adapter for one node. Adapters made with the same name must hear each other, and no other adapter: the name can be
   * a prefix.
   */
  readonly create: (cluster: string) => ClusterAdapter | Promise<ClusterAdapter>;
}

/** Large enough to be cut in pieces by any network; an adapter with smaller packets gets the largest packet possible. */
const LARGE_BYTES = 900_000;

/**
 * Declares the tests of a cluster adapter with the given test runner.
 *
 * @example
 * ```ts
 * import { memory, testClusterAdapter } from "sendall/testing/cluster-adapter";
 * import { test } from "vitest";
 *
 * // In place of memory(): an adapter of your own.
 * const adapters = new Map<string, ReturnType<typeof memory>>();
 * testClusterAdapter({
 *   test,
 *   create(name) {
 *     const adapter = adapters.get(name) ?? memory();
 *     adapters.set(name, adapter);
 *     return adapter;
 *   },
 * });
 * ```
 */
export function testClusterAdapter({ test, create }: ClusterAdapterTest): void {
  /** Declares a test that opens nodes of one cluster; every node's link is closed at the end. */
  const declare = (title: string, run: (open: (cluster?: string) => Promise<AdapterNode>) => Promise<void>): void => {
    test(title, async () => {
      const name = `test-${randomBytes(6).toString("hex")}`;
      const nodes: AdapterNode[] = [];
      try {
        await run(async (cluster = name) => {
          const node = await openNode(await create(cluster));
          nodes.push(node);
          return node;
        });
      } finally {
        for (const { link } of nodes) await link?.close();
      }
    });
  };

  declare("every subscriber gets a packet, its bytes as they were", async (add) => {
    const [sender, one, other] = [await add(), await add(), await add()];
    await one.subscribe("@all.a");
    await other.subscribe("@all.a");
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    sender.publish("@all.a", bytes);
    sender.publishEnd();
    for (const node of [one, other])
      assert.deepEqual(await node.untilEnd(), [{ subject: "@all.a", packet: bytes }], "each gets it once, unchanged");
  });

  declare("what was not asked for does not arrive", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a");
    for (const subject of ["@all.b", "@all.a.b", "@all", "@room.a", "@all.A"]) sender.publish(subject, subject);
    sender.publishEnd();
    assert.deepEqual(await node.untilEnd(), []);
  });

  declare("what one node publishes arrives in its order, over all subjects", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a", "@all.b", "@all.c");
    const sent = Array.from({ length: 300 }, (_, i) => `${i}`);
    sent.forEach((text, i) => {
      sender.publish(`@all.${"abc"[i % 3]}`, text);
    });
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), sent);
  });

  declare("a confirmed subscription hears what is published from then on", async (add) => {
    const [sender, node] = [await add(), await add()];
    for (let i = 0; i < 20; i++) {
      await node.subscribe(`@room.${i}`);
      sender.publish(`@room.${i}`, `${i}`);
      sender.publishEnd();
      assert.deepEqual(texts(await node.untilEnd()), [`${i}`]);
    }
  });

  declare("an ended subscription hears nothing more, and can begin again", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a", "@all.b");
    node.unsubscribe("@all.a");
    // Once this subscription is confirmed, the `unsubscribe` has been handled too.
    await node.subscribe("@all.c");
    for (const subject of ["@all.a", "@all.b", "@all.c"]) sender.publish(subject, subject);
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), ["@all.b", "@all.c"]);
    await node.subscribe("@all.a");
    sender.publish("@all.a", "again");
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), ["again"]);
  });

  declare("a subscription that is asked for twice delivers once", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a");
    await node.subscribe("@all.a");
    sender.publish("@all.a", "once");
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), ["once"]);
  });

  declare("to end what was never begun does no harm", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a");
    node.unsubscribe("@all.never");
    sender.publish("@all.a", "still heard");
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), ["still heard"]);
  });

  declare("subjects may be long and hold all that the contract allows", async (add) => {
    const [sender, node] = [await add(), await add()];
    const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%@#_-";
    const subjects = [`@room.${characters}`, `@room.${"x".repeat(500)}.${"y".repeat(500)}`];
    await node.subscribe(...subjects);
    for (const subject of subjects) sender.publish(subject, "");
    sender.publishEnd();
    const arrived = await node.untilEnd();
    assert.deepEqual(
      arrived.map(({ subject }) => subject),
      subjects,
    );
  });

  declare("a large packet arrives whole", async (add) => {
    const [sender, node] = [await add(), await add()];
    assert.ok(sender.link);
    const packet = randomBytes(Math.min(sender.link.maxPacketBytes, LARGE_BYTES));
    await node.subscribe("@all.a");
    sender.publish("@all.a", packet);
    sender.publishEnd();
    const [arrived] = await node.untilEnd();
    assert.ok(arrived?.packet.equals(packet), "its bytes are those that were sent");
  });

  declare("a node's own packets come back once at most", async (add) => {
    const node = await add();
    await node.subscribe("@all.a");
    const other = await add();
    await other.subscribe("@all.a");
    node.publish("@all.a", "own");
    node.publishEnd();
    assert.deepEqual(texts(await other.untilEnd()), ["own"]);
    other.publishEnd();
    assert.ok((await node.untilEnd()).length <= 1);
  });

  declare("two clusters on one engine do not hear each other", async (add) => {
    const names = [0, 1].map(() => `test-${randomBytes(6).toString("hex")}`);
    const [sender, node, stranger] = [await add(names[0]), await add(names[0]), await add(names[1])];
    await node.subscribe("@all.a");
    await stranger.subscribe("@all.a");
    sender.publish("@all.a", "among us");
    sender.publishEnd();
    assert.deepEqual(texts(await node.untilEnd()), ["among us"]);
    stranger.publish("@all.a", "among them");
    stranger.publishEnd();
    const other = await add(names[1]);
    await other.subscribe("@all.a");
    other.publish("@all.a", "among them, too");
    other.publishEnd();
    await stranger.until(() => stranger.arrived.some(({ packet }) => packet.toString() === "among them, too"));
    assert.ok(!texts(stranger.arrived).includes("among us"));
    assert.deepEqual(texts(node.arrived), []);
  });

  declare("what was published before the link is closed is still sent", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a");
    sender.publish("@all.a", "goodbye");
    sender.publishEnd();
    await sender.link?.close();
    assert.deepEqual(texts(await node.untilEnd()), ["goodbye"]);
  });

  declare("a closed link takes nothing, throws nothing and calls nobody", async (add) => {
    const [sender, node] = [await add(), await add()];
    await node.subscribe("@all.a");
    await node.link?.close();
    const calls = node.calls.length;
    assert.equal(node.link?.publish("@all.a", Buffer.from("late")), false);
    node.unsubscribe("@all.a");
    const other = await add();
    await other.subscribe("@all.a");
    sender.publish("@all.a", "hello");
    sender.publishEnd();
    assert.deepEqual(texts(await other.untilEnd()), ["hello"]);
    assert.equal(node.calls.length, calls);
    await node.link?.close();
  });

  declareOrderTests(declare);
}
