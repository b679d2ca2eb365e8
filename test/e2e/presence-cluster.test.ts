/** Presence over real engines: who is in a room that has members on several nodes, and what becomes of the keys of a node that dies. */
import { type Server, serve } from "sendall";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { Engine, KINDS } from "./engines.js";
import { Client, until } from "./peers.js";
import { start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

afterEach(stopPrograms);

interface Node {
  readonly server: Server;
  /** What the handler was told: `"joined bob 2"`. */
  readonly told: string[];
  enter(name: string): Promise<Client>;
}

/** A server whose clients are in the room "hall" and hear news such as "joined bob 2". */
async function startNode(cluster: ReturnType<Engine["adapter"]>, graceMs = 0): Promise<Node> {
  const told: string[] = [];
  const server = await serve({
    port: 0,
    logger: false,
    cluster,
    presence: {
      graceMs,
      key: ({ query }) => query.get("name") ?? "",
      notice: (notice) => (notice.type === "count" ? "" : `${notice.type} ${notice.key} ${notice.count}`),
    },
    handler(event, bus) {
      if (event.type === "message") event.connection.show(event.text);
      if (event.type === "joined" || event.type === "changed" || event.type === "left")
        told.push(`${event.type} ${event.key} ${event.count}${event.isLocal ? "" : " elsewhere"}`);
      if (event.type !== "open") return;
      event.connection.join("hall");
      const keys = bus.present("hall").map(({ key }) => key);
      event.connection.send(`list ${keys.join()}`);
    },
  });
  onTestFinished(() => server.close());
  return {
    server,
    told,
    async enter(name) {
      const client = await Client.open(`${server.url}?name=${name}`);
      await until(() => client.received.length > 0);
      return client;
    },
  };
}

function keysAt({ server }: Node): string[] {
  return server
    .present("hall")
    .map(({ key }) => key)
    .sort();
}

/** What a client knows after its list and the news that followed. */
function replay({ received }: Client): string[] {
  const keys = new Set<string>();
  for (const text of received) {
    const [type, key = ""] = String(text).split(" ");
    if (type === "list") for (const listed of key.split(",")) keys.add(listed);
    else if (type === "left") keys.delete(key);
    else keys.add(key);
  }
  return [...keys].sort();
}

describe.each(KINDS)("$name", (kind) => {
  const { skip } = requires(kind.name);

  test.skipIf(skip)(
    "people on three nodes see each other come, change and go, also while the engine is not there",
    async () => {
      const engine = await Engine.start(kind);
      const nodes = [
        await startNode(engine.adapter()),
        await startNode(engine.adapter()),
        await startNode(engine.adapter()),
      ];
      const [first, second, third] = nodes as [Node, Node, Node];
      const ann = await first.enter("ann");
      const bob = await second.enter("bob");
      const cid = await third.enter("cid");
      const tab = await third.enter("ann");
      await until(() => nodes.every((node) => keysAt(node).join() === "ann,bob,cid"));
      for (const client of [ann, bob, cid, tab]) await until(() => replay(client).join() === "ann,bob,cid");
      await until(() => nodes.every(({ server }) => server.presentCount("hall").connections === 4));

      cid.send("busy");
      await until(() => [ann, bob].every((client) => client.received.includes("changed cid 3")));
      expect(second.server.present("hall").find(({ key }) => key === "cid")).toMatchObject({
        info: "busy",
        connections: 1,
      });

      // One of two tabs, on another node: no news.
      tab.ws.close();
      await until(() => nodes.every(({ server }) => server.presentCount("hall").connections === 3));
      bob.ws.close();
      await until(() => [ann, cid].every((client) => client.received.includes("left bob 2")));
      expect(ann.received.filter((text) => String(text).includes("ann"))).toEqual(["list ann"]);

      await engine.kill();
      await until(() => nodes.every(({ server }) => server.stats().cluster?.link === "down"));
      await third.enter("dan");
      await first.enter("eve");
      await engine.start();
      await until(() => keysAt(first).join() === "ann,cid,dan,eve" && keysAt(third).join() === "ann,cid,dan,eve");
      await until(() => [ann, cid].every((client) => replay(client).join() === "ann,cid,dan,eve"));
      expect(first.told.filter((text) => text.startsWith("joined cid")).length).toBe(1);
    },
  );

  test.skipIf(skip)("the keys of a server that closes are gone at once", async () => {
    const engine = await Engine.start(kind);
    const [first, second] = [await startNode(engine.adapter(), 60_000), await startNode(engine.adapter(), 60_000)];
    const ann = await first.enter("ann");
    await second.enter("bob");
    await until(() => keysAt(first).join() === "ann,bob");
    await second.server.close();
    await until(() => keysAt(first).join() === "ann");
    await until(() => ann.received.includes("left bob 1"));
  });
});

const AVAILABLE = KINDS.filter(({ name }) => !requires(name).skip);

// A single test for all engines, since each waits for the 30 s after which a node counts as dead.
test.skipIf(AVAILABLE.length === 0)("the keys of a process that is killed leave, once", async () => {
  await Promise.all(
    AVAILABLE.map(async (kind) => {
      const engine = await Engine.start(kind);
      const node = await startNode(engine.adapter());
      const ann = await node.enter("ann");
      const program = start("test/e2e/programs/present.js", [kind.name, engine.url]);
      const [, url] = await program.stdout.next(/Listening on (\S+)/);
      for (const name of ["bob", "cid"]) await Client.open(`${url}?name=${name}`);
      await until(() => keysAt(node).join() === "ann,bob,cid");
      program.kill("SIGKILL");
      await until(() => keysAt(node).join() === "ann");
      await until(() => node.told.length === 5);
      expect(node.told.slice(3)).toEqual(["left bob 2 elsewhere", "left cid 1 elsewhere"]);
      expect(replay(ann)).toEqual(["ann"]);
    }),
  );
});
