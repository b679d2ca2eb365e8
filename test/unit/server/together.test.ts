/** The large parts of a server in pairs: what each does when another is there, too. */
import {
  type Connection,
  channels,
  fromLogic,
  noreply,
  perConnection,
  type Receipt,
  reply,
  type ServeOptions,
  type Server,
} from "sendall";
import { createTestRuntime, type ExploreOptions, explore, type Scenario, type TestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { createMachine } from "xstate";
import { memory } from "../../../src/testing/memory-cluster.js";
import { heapInUse, until } from "../../e2e/peers.js";

/** Two nodes of one cluster with the same handler. */
async function pair(options: () => Partial<ServeOptions>): Promise<{
  nodes: [TestRuntime, TestRuntime];
  servers: [Server, Server];
  settle(): Promise<void>;
}> {
  const cluster = memory();
  const open = (): TestRuntime => createTestRuntime({ ...options(), cluster } as ServeOptions);
  const nodes: [TestRuntime, TestRuntime] = [open(), open()];
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 4; round++) for (const node of nodes) await node.settle();
  };
  onTestFinished(async () => {
    for (const node of nodes) await node.close();
  });
  await settle();
  return { nodes, servers: [nodes[0].server, nodes[1].server], settle };
}

describe("a cluster", () => {
  test("subscriptions to a channel are reached by id and in rooms, and left out of broadcasts, across nodes", async () => {
    const receipts: Receipt[] = [];
    const { nodes, servers, settle } = await pair(() => ({
      handler: channels({
        ann(event, bus) {
          if (event.type === "open") {
            bus.join(event.connection, "r");
            bus.unicast(`id ${event.connection.id}`, event.connection);
          }
          if (event.type !== "message") return;
          const [verb = "", to = ""] = event.text.split(" ");
          if (verb === "unicast") receipts.push(bus.unicast("for one", to));
          if (verb === "broadcast") receipts.push(bus.broadcast("for others", to));
          if (verb === "room") receipts.push(bus.broadcast("room", to, { room: "r" }));
          if (verb === "rooms") receipts.push(bus.broadcast("rooms", to, { room: ["r", "s"] }));
          if (verb === "tell") bus.unicast(`told ${bus.tell("x", to)}`, event.connection);
        },
        bob() {},
      }),
    }));
    const [a, b] = [await nodes[0].connect(), await nodes[1].connect()];
    a.send("sub,ann");
    b.send("sub,ann");
    b.send("sub,bob");
    await settle();
    const id = String(b.take()[0]).split(" ")[1];
    a.take();
    for (const verb of ["unicast", "broadcast", "room", "rooms", "tell"]) a.send(`msg,ann,${verb} ${id}`);
    await settle();
    expect(b.take()).toEqual(["msg,ann,for one"]);
    expect(a.take()).toEqual(["msg,ann,for others", "msg,ann,room", "msg,ann,rooms", "msg,ann,told false"]);
    const here = { targeted: 1, queued: 1, dropped: 0, dead: 0, forwarded: 1 };
    expect(receipts).toEqual([{ ...here, targeted: 0, queued: 0 }, here, here, here]);
    b.send("uns,ann");
    await settle();
    a.send(`msg,ann,unicast ${id}`);
    await settle();
    expect([b.take(), servers[1].stats().deadLetters]).toEqual([[], 1]);
    expect(servers.map((server) => server.stats().rooms)).toEqual([1, 0]);
    expect(servers.map((server) => server.stats().cluster?.rejected)).toEqual([0, 0]);
  });

  test("modules speak across nodes, and what is told or rings stays with its node", async () => {
    const { nodes, servers, settle } = await pair(() => ({
      handler: perConnection<number>({
        init(connection, bus) {
          bus.after(100, "alarm");
          connection.join("all");
          return 0;
        },
        handle(message, n, connection, bus) {
          bus.broadcast(`${message}`, connection, { room: "all" });
          return reply("sent", n + 1);
        },
        info: (data, n) => reply(`info ${String(data)}`, n),
      }),
    }));
    const [a, b] = [await nodes[0].connect(), await nodes[1].connect()];
    await settle();
    a.send("hi");
    await settle();
    expect([a.take(), b.take()]).toEqual([["sent"], ["hi"]]);
    expect(servers[0].tell("x", b.id)).toBe(false);
    servers[0].tell("y");
    await settle();
    expect([a.take(), b.take()]).toEqual([["info y"], []]);
    await nodes[0].advance(100);
    await settle();
    expect([a.take(), b.take()]).toEqual([["info alarm"], ["info alarm"]]);
  });

  test("a route or channel that ends on one node goes on on the other", async () => {
    const machine = () =>
      fromLogic(
        createMachine({
          initial: "on",
          states: { on: { on: { info: "off" } }, off: { type: "final" } },
        }),
      );
    const { nodes, servers, settle } = await pair(() => ({
      routes: {
        "/m": { handler: machine() },
        "/c": {
          handler: channels({ m: machine(), e: (event, bus) => void (event.type === "message" && bus.sendall("e")) }),
        },
      },
    }));
    const [am, bm] = [await nodes[0].connect({ path: "/m" }), await nodes[1].connect({ path: "/m" })];
    const [ac, bc] = [await nodes[0].connect({ path: "/c" }), await nodes[1].connect({ path: "/c" })];
    for (const client of [ac, bc]) for (const name of ["m", "e"]) client.send(`sub,${name}`);
    await settle();
    servers[0].tell("end");
    await settle();
    expect(am.closed).toMatchObject({ code: 1000 });
    expect([bm.closed, ac.take(), bc.take()]).toEqual([undefined, ["uns,m"], []]);
    bc.send("msg,e,x");
    servers[1].route("/m").sendall("still");
    servers[0].route("/m").sendall("from the ended");
    await settle();
    expect([ac.take(), bc.take(), bm.take()]).toEqual([["msg,e,e"], ["msg,e,e"], ["still", "from the ended"]]);
    expect(servers[0].stats().cluster).toMatchObject({ subscriptions: 3, rejected: 0 });
    expect(servers[1].stats().cluster).toMatchObject({ subscriptions: 5, rejected: 0 });
  });

  test("channels within a channel are those of all nodes, text and bytes", async () => {
    const { nodes, servers, settle } = await pair(() => ({
      handler: channels({
        out: channels({
          in(event, bus) {
            if (event.type === "message") bus.broadcast(event.data, event.connection);
          },
        }),
      }),
    }));
    const [a, b] = [await nodes[0].connect(), await nodes[1].connect()];
    for (const client of [a, b]) for (const text of ["sub,out", "msg,out,sub,in"]) client.send(text);
    await settle();
    a.send("msg,out,msg,in,hi, all");
    a.send(Buffer.from("msg,out,msg,in,bytes"));
    await settle();
    expect([a.take(), b.take()]).toEqual([[], ["msg,out,msg,in,hi, all", Buffer.from("msg,out,msg,in,bytes")]]);
    a.close();
    await settle();
    expect(servers[0].stats().cluster).toMatchObject({ subscriptions: 1, rejected: 0, missed: 0 });
  });

  test("whatever happens to clients, each subscription of any shape is opened and closed once", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const cluster = memory();
      const lives = new Map<string, string>();
      const note = ({ id }: { readonly id: string }, what: string): void => {
        lives.set(id, `${lives.get(id) ?? ""} ${what}`.trim());
      };
      const handler = channels({
        loop: perConnection(async (connection, bus) => {
          note(connection, "open");
          connection.idle(500);
          bus.after(100, "alarm");
          for await (const message of connection) {
            await bus.sleep(10);
            if (typeof message === "string") bus.broadcast(message, connection);
          }
          note(connection, "closed");
        }),
        module: perConnection<number>({
          init(connection) {
            note(connection, "open");
            return 0;
          },
          async handle(message, count, _connection, bus) {
            await bus.sleep(5);
            return reply(message, count + 1);
          },
          closed: (_count, connection) => note(connection, "closed"),
        }),
        handler(event) {
          if (event.type === "open" || event.type === "closed") note(event.connection, event.type);
        },
      });
      const nodes = [runtime({ handler, cluster }), runtime({ handler, cluster })];
      const clients = await Promise.all(nodes.flatMap((node) => [node.connect(), node.connect()]));
      const words = [
        "sub,loop",
        "sub,module",
        "sub,handler",
        "msg,loop,x",
        "msg,module,y",
        "uns,handler",
        "msg,loop,z",
      ];
      for (const client of clients) for (const word of words) client.send(word);
      for (const node of nodes) await node.advance(1_000);
      for (const client of clients) client.close();
      for (const node of nodes) await node.advance(60_000);
      expect(new Set(lives.values())).toEqual(new Set(["open closed"]));
      const atRest = { failures: [], connections: 0, rooms: 0, paused: 0 };
      for (const { server } of nodes) expect(server.stats()).toMatchObject(atRest);
    };
    await explore(scenario, { runs: 50, faults: ["stall", "disconnect", "reset"] });
  });

  test("an exploration of two nodes plays the same run for the same seed", async () => {
    const traces: string[] = [];
    const scenario: Scenario = async ({ runtime }) => {
      const cluster = memory();
      const handler = channels({
        c: perConnection<number>({
          init: () => 0,
          handle(message, count, connection, bus) {
            bus.broadcast(`${message} of ${connection.id}`, connection);
            return noreply(count + 1);
          },
        }),
      });
      const [a, b] = [runtime({ handler, cluster }), runtime({ handler, cluster })];
      const [ann, bob] = [await a.connect({ name: "ann" }), await b.connect({ name: "bob" })];
      for (const client of [ann, bob]) for (const text of ["sub,c", "msg,c,hi"]) client.send(text);
      await a.settle();
      await b.settle();
      throw new Error("always");
    };
    const options: ExploreOptions = { runs: 1, faults: ["stall", "disconnect", "reset"] };
    for (let time = 0; time < 2; time++)
      await explore(scenario, options).catch((error: Error) => traces.push(error.message));
    expect(traces[0]).toContain("handles message of bob");
    expect(traces[0]).toBe(traces[1]);
  });

  test("NOT_SETTLED names the client whose event is unfinished", async () => {
    await using runtime = createTestRuntime({
      cluster: memory(),
      failures: "supervise",
      handler: (event) => (event.type === "message" ? new Promise(() => {}) : undefined),
    });
    const ann = await runtime.connect({ name: "ann" });
    ann.send("hi");
    await expect(runtime.settle()).rejects.toThrow(`not finished its "message" event of ann (${ann.id}), and`);
  });
});

describe("channels", () => {
  test("silence of a socket that another channel holds up is not the peer's", async () => {
    const heard: string[] = [];
    await using runtime = createTestRuntime({
      mailbox: { highWaterEvents: 2, lowWaterEvents: 1 },
      handler: channels({
        busy: perConnection<number>({
          init: () => 0,
          async handle(_message, count, _connection, bus) {
            await bus.sleep(2_000);
            return noreply(count + 1);
          },
        }),
        quiet(event) {
          heard.push(event.type);
          if (event.type === "open") event.connection.idle(1_500);
        },
      }),
    });
    const client = await runtime.connect();
    for (const text of ["sub,busy", "sub,quiet"]) client.send(text);
    await runtime.settle();
    for (let i = 0; i < 8; i++) client.send("msg,busy,x");
    client.send("msg,quiet,here");
    await runtime.settle();
    expect(runtime.server.stats().paused).toBe(1);
    await runtime.advance(3_900);
    expect([runtime.server.stats().paused, heard]).toEqual([1, ["open"]]);
    await runtime.advance(20_000);
    expect(heard).toEqual(["open", "message", "idle"]);
  });

  test("an alarm that is far away keeps no subscription that has ended", async () => {
    const subscriptions: WeakRef<Connection>[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        alarmed: perConnection<number>({
          init(connection, bus) {
            subscriptions.push(new WeakRef(connection));
            bus.after(3_600_000, "alarm");
            return 0;
          },
          handle: (_message, count) => noreply(count),
        }),
      }),
    });
    for (let i = 0; i < 10; i++) {
      const client = await runtime.connect();
      client.send("sub,alarmed");
      await runtime.settle();
      client.close();
      await runtime.settle();
    }
    expect(subscriptions).toHaveLength(10);
    await until(() => {
      heapInUse();
      return subscriptions.every((one) => one.deref() === undefined);
    });
  });
});
