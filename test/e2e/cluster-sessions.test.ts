/** Sessions on two nodes that a real engine joins: a client that comes to the other node leaves no ghost behind. */
import { type Server, type ServerEvent, serve } from "sendall";
import { type Client, type ClientOpening, connect } from "sendall/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { Engine, KINDS } from "./engines.js";
import { Line } from "./line.js";
import { until } from "./peers.js";
import { requires } from "./requires.js";

interface Node {
  readonly server: Server;
  readonly line: Line;
  readonly ends: string[];
}

async function startNode(cluster: ReturnType<Engine["adapter"]>): Promise<Node> {
  const ends: string[] = [];
  const server = await serve({
    port: 0,
    logger: false,
    cluster,
    resume: true,
    handler(event: ServerEvent) {
      if (event.type === "closed") ends.push(`${event.code} ${event.by} ${event.reason}`);
    },
  });
  onTestFinished(() => server.close());
  return { server, line: await Line.to(server.port), ends };
}

function add({ server }: Node): readonly number[] {
  const { opened, closed, connections } = server.stats();
  return [opened, closed, connections];
}

describe.each(KINDS)("over $name", (kind) => {
  test.skipIf(requires(kind.name).skip)(
    "a client whose next socket leads to the other node begins anew there, and its session ends as moved",
    { timeout: 60_000 },
    async () => {
      const engine = await Engine.start(kind);
      const nodes = [await startNode(engine.adapter()), await startNode(engine.adapter())] as const;
      const opens: ClientOpening[] = [];
      let dials = 0;
      const client: Client = connect(() => `ws://${nodes[dials++ % 2]?.line.host}/`, {
        reconnect: { minMs: 1, maxMs: 10 },
        onOpen: (opening) => void opens.push(opening),
      });
      onTestFinished(() => void client.close());
      await until(() => opens.length === 1);
      for (const [from, to] of [nodes, nodes.toReversed() as unknown as typeof nodes]) {
        const [count, ended] = [opens.length, from.ends.length];
        from.line.cut();
        await until(() => opens.length > count && from.ends.length > ended);
        from.line.restore();
        expect(from.ends.at(-1)).toBe("1006 lost moved");
        const [opened = 0, closed = 0] = add(from);
        expect([opened - closed, add(from)[2], add(to)[2]]).toEqual([0, 0, 1]);
      }
      expect(opens.map(({ why, resumed }) => `${why} ${resumed}`)).toEqual([
        "new false",
        "elsewhere false",
        "elsewhere false",
      ]);
    },
  );
});
