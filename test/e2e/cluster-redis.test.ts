/** What a node's link to Redis is made of: one connection, or two where a connection that subscribes takes no other commands. */
import { type Server, serve } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { Lines } from "../unit/stage.js";
import { Engine, REDIS, REDIS_BY_RESP2 } from "./engines.js";
import { Client, until } from "./peers.js";
import { requires } from "./requires.js";

const { skip } = requires("redis");

interface Node {
  readonly server: Server;
  readonly client: Client;
  /** How often the link has come up. */
  ups(): number;
}

async function startNode(engine: Engine): Promise<Node> {
  const logger = new Lines();
  const server = await serve({ port: 0, logger, cluster: engine.adapter(), handler() {} });
  onTestFinished(() => server.close());
  const client = await Client.open(server.url);
  await until(() => server.stats().cluster?.subscriptions === 2);
  return { server, client, ups: () => logger.lines.filter(({ text }) => text === "cluster link up").length };
}

/** The ids of the connections of all nodes, by their names. */
async function connections(engine: Engine): Promise<{ publisher: string[]; subscriber: string[] }> {
  const lines = String(await engine.ask((client) => client.client("LIST"))).split("\n");
  const of = (role: string): string[] =>
    lines.filter((line) => line.includes(`-${role} `)).map((line) => /\bid=(\d+)/.exec(line)?.[1] ?? "");
  return { publisher: of("publisher"), subscriber: of("subscriber") };
}

async function cross(from: Server, to: Client, text: string): Promise<void> {
  expect(from.sendall(text)).toMatchObject({ forwarded: 1 });
  await until(() => to.received.at(-1) === text);
}

describe.skipIf(skip)("a node's link to Redis", () => {
  test("is one connection, which subscribes and publishes", async () => {
    const engine = await Engine.start(REDIS);
    const [a, b] = [await startNode(engine), await startNode(engine)];
    await cross(a.server, b.client, "there");
    await cross(b.server, a.client, "and back");
    expect(await connections(engine)).toMatchObject({
      publisher: [],
      subscriber: [{}, {}].map(() => expect.any(String)),
    });
  });

  test("is two connections by RESP2, and is down while either is lost", async () => {
    const engine = await Engine.start(REDIS_BY_RESP2);
    const [a, b] = [await startNode(engine), await startNode(engine)];
    await cross(a.server, b.client, "there");
    for (const role of ["publisher", "subscriber"] as const) {
      const before = await connections(engine);
      const ups = a.ups() + b.ups();
      expect([before.publisher.length, before.subscriber.length]).toEqual([2, 2]);
      await engine.ask(async (client) => {
        for (const id of before[role]) await client.client("KILL", "ID", id);
      });
      await until(() => a.ups() + b.ups() === ups + 2);
      await cross(a.server, b.client, `without a ${role}`);
    }
  });
});
