/** Follows over an adapter that orders, with a store in memory, while the link of the node is down. In virtual time. */
import type { Connection } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { expect, onTestFinished, test } from "vitest";
import type { ClusterAdapter, ClusterNode } from "../../../src/api/cluster-adapter.js";
import { memory } from "../../../src/testing/memory-cluster.js";

interface Node {
  readonly runtime: TestRuntime;
  /** The node as its adapter sees the node. */
  readonly seen: ClusterNode;
  connect(): Promise<readonly [TestClient, Connection]>;
}

async function open(): Promise<Node> {
  const engine = memory();
  const opened: ClusterNode[] = [];
  const cluster: ClusterAdapter = {
    ...engine,
    open(node) {
      opened.push(node);
      return engine.open(node);
    },
  };
  const runtime = createTestRuntime({ cluster, history: true, handlerTimeoutMs: 30_000, handler() {} });
  onTestFinished(async () => runtime.close());
  await runtime.settle();
  const [seen] = opened;
  if (seen === undefined) throw new Error("the server has not opened its adapter");
  return {
    runtime,
    seen,
    async connect() {
      const client = await runtime.connect();
      return [client, runtime.server.route("*").connections().at(-1) as Connection];
    },
  };
}

test("followers of a room wait for the link, all of them, but not those that have left", async () => {
  const { runtime, seen, connect } = await open();
  const [[ann, one], [bob, two], [eve, three]] = [await connect(), await connect(), await connect()];
  seen.down(new Error("cut"));
  const follows = [one, two].map((connection) => connection.follow("tea", { last: 5 }));
  const left = three.follow("tea", { last: 5 });
  three.leave("tea");
  expect(await left).toMatchObject({ outcome: "refused" });
  await runtime.advance(5_000);
  seen.up();
  await runtime.settle();
  expect(await Promise.all(follows)).toMatchObject([{ outcome: "complete" }, { outcome: "complete" }]);
  runtime.server.route("*").sendall("hi", { room: "tea", keep: true });
  await runtime.settle();
  expect([ann, bob, eve].map((client) => client.received)).toEqual([["hi"], ["hi"], []]);
});

test("a server closes while followers wait for the link", async () => {
  const { runtime, seen, connect } = await open();
  const [, connection] = await connect();
  seen.down(new Error("cut"));
  const follow = connection.follow("tea", { last: 5 });
  await runtime.close();
  expect(await follow).toMatchObject({ outcome: "refused" });
});
