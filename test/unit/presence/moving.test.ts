/** People who move between tabs and nodes: what one node alone would get wrong. */
import type { PresenceNotice, ServerEvent } from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { expect, onTestFinished, test } from "vitest";

/** A node whose clients are in the hall, send what they show, and hear news such as "joined bob 2". */
function startNode(cluster: ReturnType<typeof memory>, presence: object = {}) {
  const told: string[] = [];
  const runtime = createTestRuntime({
    cluster,
    presence: {
      key: ({ query }: { query: URLSearchParams }) => query.get("name") ?? "",
      info: () => "here",
      notice: (news: PresenceNotice) => (news.type === "count" ? `count ${news.count}` : short(news)),
      ...presence,
    },
    handler(event: ServerEvent, bus) {
      if (event.type === "joined" || event.type === "changed" || event.type === "left") told.push(short(event));
      if (event.type === "message") event.connection.show(event.text);
      if (event.type !== "open") return;
      event.connection.join("hall");
      const list = bus.present("hall").map(({ key }) => key);
      event.connection.send(`list ${list.join()}`);
    },
  });
  onTestFinished(() => runtime.close());
  return {
    runtime,
    told,
    enter: (name: string): Promise<TestClient> => runtime.connect({ path: `/?name=${name}` }),
  };
}

function short({ type, key, info, count }: Exclude<PresenceNotice, { type: "count" }>): string {
  return `${type} ${key} ${info === "here" ? "" : `${info} `}${count}`;
}

test("whoever moves to another node within graceMs has left nowhere, also on a node without other members", async () => {
  const cluster = memory();
  const [a, b] = [startNode(cluster), startNode(cluster)];
  const ann = await a.enter("ann");
  const bob = await b.enter("bob");
  await b.runtime.settle();
  bob.close();
  await a.enter("bob");
  await a.runtime.advance(60_000);
  expect(a.told).toEqual(["joined ann 1", "joined bob 2"]);
  expect(b.told).toEqual(["joined bob 1", "joined ann 2"]);
  expect(ann.received).toEqual(["list ann", "joined bob 2"]);
  expect(b.runtime.server.present("hall")).toEqual([]);
  expect(b.runtime.server.stats().cluster?.subscriptions).toBe(1);
});

test.each([
  ["within graceMs", true],
  ["with a second tab", false],
])("whoever moves to another node %s has been present since the first node", async (_how, isGoneBefore) => {
  const cluster = memory();
  const [a, b] = [startNode(cluster), startNode(cluster)];
  await a.enter("ann");
  const bob = await a.enter("bob");
  await a.runtime.advance(1_000);
  await b.enter("cid");
  if (isGoneBefore) bob.close();
  await a.runtime.advance(1_000);
  await b.enter("bob");
  await a.runtime.advance(1_000);
  bob.close();
  await a.runtime.advance(60_000);
  for (const { runtime } of [a, b])
    expect(runtime.server.present("hall")).toMatchObject([
      { key: "ann", since: 0 },
      { key: "bob", since: 0, connections: 1 },
      { key: "cid", since: 1_000 },
    ]);
});

test("whoever goes for good leaves on the node too that has no other member", async () => {
  const cluster = memory();
  const [a, b] = [startNode(cluster), startNode(cluster)];
  await a.enter("ann");
  const bob = await b.enter("bob");
  await b.runtime.settle();
  bob.close();
  await a.runtime.advance(60_000);
  expect(a.told).toEqual(["joined ann 1", "joined bob 2", "left bob 1"]);
  expect(b.told).toEqual(["joined bob 1", "joined ann 2", "left bob 0"]);
});

test("the only member of a node who reloads has the whole list at once, and what has changed meanwhile", async () => {
  const cluster = memory();
  const [a, b] = [startNode(cluster), startNode(cluster)];
  const ann = await a.enter("ann");
  const cid = await a.enter("cid");
  const bob = await b.enter("bob");
  await b.runtime.settle();
  bob.close();
  await b.runtime.settle();
  expect(b.runtime.server.present("hall").map(({ key }) => key)).toEqual(["bob"]);
  cid.close();
  await a.enter("dan");
  await a.runtime.advance(4_999);
  const again = await b.enter("bob");
  await b.runtime.settle();
  expect(again.received).toEqual(["list ann,bob,cid,dan"]);
  await b.runtime.advance(1);
  expect(again.received).toEqual(["list ann,bob,cid,dan", "left cid 3"]);
  expect(ann.received).toEqual(["list ann", "joined cid 2", "joined bob 3", "joined dan 4", "left cid 3"]);
});

test("a second tab that has shown nothing changes nothing, on whichever node", async () => {
  const cluster = memory();
  const [a, b] = [startNode(cluster), startNode(cluster)];
  const ann = await a.enter("ann");
  const bob = await a.enter("bob");
  bob.send("busy");
  await a.runtime.settle();
  for (const { enter } of [a, b]) (await enter("bob")).close();
  await a.runtime.advance(60_000);
  expect(ann.received).toEqual(["list ann", "joined bob 2", "changed bob busy 2"]);
  expect(a.runtime.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", info: "busy" }]);
});

test("whoever takes a room beyond maxListed has the list first", async () => {
  const node = startNode(memory(), { maxListed: 1 });
  const ann = await node.enter("ann");
  const bob = await node.enter("bob");
  await node.runtime.settle();
  expect(bob.received).toEqual(["list ann"]);
  expect(ann.received).toEqual(["list ann", "count 2"]);
});
