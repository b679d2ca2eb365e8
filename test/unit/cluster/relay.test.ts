/** The relay: several servers over the cluster in memory, then a single server over an engine controlled by the test. */
import { channels, SendallError, type ServeOptions, type Server } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../../src/api/cluster-adapter.js";
import { SESSION_SCOPE } from "../../../src/cluster/cluster-sessions.js";
import { measure, VERSION, writePacket } from "../../../src/cluster/packet.js";
import { scopeOf, subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";
import { memory } from "../../../src/testing/memory-cluster.js";
import { heapInUse } from "../../e2e/peers.js";
import { Lines } from "../stage.js";

const handler = (): void => {};
const LONGEST = "é".repeat(1_024);
type Options = Partial<ServeOptions>;

/** The servers of a cluster, each in a test runtime of its own. */
class Nodes {
  readonly runtimes: TestRuntime[];

  constructor(count: number, options: Options = {}, adapter: ClusterAdapter = memory()) {
    this.runtimes = Array.from({ length: count }, () =>
      createTestRuntime({
        ...(options.routes === undefined && { handler }),
        ...options,
        cluster: adapter,
      } as ServeOptions),
    );
    onTestFinished(async () => {
      for (const runtime of this.runtimes) await runtime.close();
    });
  }

  async start(): Promise<Server[]> {
    await this.settle();
    return this.runtimes.map(({ server }) => server);
  }

  /** Several rounds, since a message has to leave the runtime of its sender and then arrive in another runtime. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) for (const runtime of this.runtimes) await runtime.settle();
  }

  connect(node: number, options?: object): Promise<TestClient> {
    const runtime = this.runtimes[node];
    if (runtime === undefined) throw new Error("there is no such node");
    return runtime.connect(options);
  }
}

function id(client: TestClient): string {
  return client.id;
}

async function three(): Promise<{
  nodes: Nodes;
  servers: [Server, Server, Server];
  clients: [TestClient, TestClient, TestClient];
}> {
  const nodes = new Nodes(3);
  const [a, b, c] = await nodes.start();
  if (a === undefined || b === undefined || c === undefined) throw new Error("three were asked for");
  const clients: [TestClient, TestClient, TestClient] = [
    await nodes.connect(0),
    await nodes.connect(1),
    await nodes.connect(2),
  ];
  await nodes.settle();
  return { nodes, servers: [a, b, c], clients };
}

describe("a cluster", () => {
  test("ids name their node, and differ between nodes", async () => {
    const { servers, clients } = await three();
    const names = servers.map((server) => server.stats().cluster?.node);
    expect(new Set(names).size).toBe(3);
    expect(clients.map((client) => id(client).split(".")[0])).toEqual(names);
  });

  test("sendall reaches every node, and the receipt speaks of this one alone", async () => {
    const { nodes, servers, clients } = await three();
    expect(servers[0].sendall("hi")).toEqual({ targeted: 1, queued: 1, dropped: 0, dead: 0, forwarded: 1 });
    await nodes.settle();
    for (const client of clients) expect(client.take()).toEqual(["hi"]);
  });

  test("bytes arrive as bytes", async () => {
    const { nodes, servers, clients } = await three();
    servers[0].sendall(Buffer.from([0, 255, 128]));
    await nodes.settle();
    for (const client of clients) expect(client.take()).toEqual([Buffer.from([0, 255, 128])]);
  });

  test("broadcast leaves out the source wherever it is", async () => {
    const { nodes, servers, clients } = await three();
    servers[0].broadcast("hi", id(clients[1]));
    await nodes.settle();
    expect(clients.map((client) => client.take())).toEqual([["hi"], [], ["hi"]]);
    servers[1].broadcast("ho", id(clients[1]));
    await nodes.settle();
    expect(clients.map((client) => client.take())).toEqual([["ho"], [], ["ho"]]);
  });

  test("unicast reaches a connection of any node by its id", async () => {
    const { nodes, servers, clients } = await three();
    expect(servers[0].unicast("hi", id(clients[2]))).toEqual({
      targeted: 0,
      queued: 0,
      dropped: 0,
      dead: 0,
      forwarded: 1,
    });
    expect(servers[0].unicast("ho", id(clients[0]))).toEqual({
      targeted: 1,
      queued: 1,
      dropped: 0,
      dead: 0,
      forwarded: 0,
    });
    await nodes.settle();
    expect(clients.map((client) => client.take())).toEqual([["ho"], [], ["hi"]]);
  });

  test("unicast to a connection of another node that has gone is a dead letter there", async () => {
    const { nodes, servers, clients } = await three();
    const gone = id(clients[2]);
    clients[2].close();
    await nodes.settle();
    expect(servers[0].unicast("hi", gone).forwarded).toBe(1);
    await nodes.settle();
    expect(servers[2].stats().deadLetters).toBe(1);
    expect(servers[0].unicast("hi", "nobody")).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1, forwarded: 0 });
  });

  test("a room of the longest name spans the nodes, too", async () => {
    const { nodes, servers, clients } = await three();
    servers[1].join(id(clients[1]), LONGEST);
    servers[2].join(id(clients[2]), LONGEST.replace(/é$/, "e"));
    await nodes.settle();
    servers[0].sendall("hi", { room: LONGEST });
    await nodes.settle();
    expect(clients.map((client) => client.take())).toEqual([[], ["hi"], []]);
  });

  test("rooms span the nodes, each member of several rooms gets a message once", async () => {
    const { nodes, servers, clients } = await three();
    servers[0].join(id(clients[0]), "a");
    servers[1].join(id(clients[1]), "a");
    servers[1].join(id(clients[1]), "b");
    await nodes.settle();
    servers[2].sendall("to a", { room: "a" });
    servers[2].sendall("to both", { room: ["a", "b"] });
    servers[2].sendall("to none", { room: [] });
    servers[0].broadcast("from afar", id(clients[1]), { room: ["a", "b"] });
    await nodes.settle();
    const [first, second, third] = clients.map((client) => client.take());
    // Two nodes' messages have no common order.
    expect(first?.toSorted()).toEqual(["from afar", "to a", "to both"]);
    expect([second, third]).toEqual([["to a", "to both"], []]);
    expect(servers[1].members("a").map((member) => member.id)).toEqual([id(clients[1])]);
  });

  test("one node's sends arrive everywhere in its order, over all subjects", async () => {
    const { nodes, servers, clients } = await three();
    servers[1].join(id(clients[1]), "a");
    await nodes.settle();
    const sent: string[] = [];
    for (let i = 0; i < 100; i++) {
      const text = `m${i}`;
      sent.push(text);
      if (i % 3 === 0) servers[0].sendall(text);
      else if (i % 3 === 1) servers[0].sendall(text, { room: "a" });
      else servers[0].unicast(text, id(clients[1]));
    }
    await nodes.settle();
    expect(clients[1].take()).toEqual(sent);
  });

  test("routes and channels do not hear each other", async () => {
    const routes = { "/a": { handler }, "/b": { handler: channels({ ann: handler, bob: handler }) } };
    const nodes = new Nodes(2, { routes });
    const [first, second] = await nodes.start();
    const a = await nodes.connect(1, { path: "/a" });
    const b = await nodes.connect(1, { path: "/b" });
    b.send("sub,ann");
    await nodes.settle();
    first?.route("/a").sendall("for a");
    expect(first?.route("/b").unicast("not for a", id(a)).forwarded).toBe(1);
    await nodes.settle();
    expect(a.take()).toEqual(["for a"]);
    expect(b.take()).toEqual([]);
    expect(second?.stats().deadLetters).toBe(1);
    first?.sendall("for both");
    first?.unicast("from the program", id(a));
    await nodes.settle();
    expect(a.take()).toEqual(["for both", "from the program"]);
    expect(b.take()).toEqual(["for both"]);
  });

  test("a channel's messages reach its subscribers on all nodes and nobody else", async () => {
    const echo = channels({
      ann: (event, bus) => {
        if (event.type === "message") bus.sendall(event.data);
      },
      bob: handler,
    });
    const nodes = new Nodes(2, { handler: echo });
    await nodes.start();
    const [here, there, other] = [await nodes.connect(0), await nodes.connect(1), await nodes.connect(1)];
    here.send("sub,ann");
    there.send("sub,ann");
    other.send("sub,bob");
    await nodes.settle();
    here.send("msg,ann,hi");
    await nodes.settle();
    expect([here, there, other].map((client) => client.take())).toEqual([["msg,ann,hi"], ["msg,ann,hi"], []]);
  });

  test("a subject is heard only while there are members", async () => {
    const { nodes, servers, clients } = await three();
    const heard = () => servers[0].stats().cluster?.subscriptions;
    expect(heard()).toBe(2);
    servers[0].join(id(clients[0]), "a");
    await nodes.settle();
    expect(heard()).toBe(3);
    servers[0].leave(id(clients[0]), "a");
    await nodes.settle();
    expect(heard()).toBe(2);
    clients[0].close();
    await nodes.settle();
    expect(heard()).toBe(1);
  });

  test("what a handler says while its server closes still reaches the others", async () => {
    const nodes = new Nodes(2, {
      handler: (event, bus) => {
        if (event.type === "closed") bus.sendall("somebody left");
      },
    });
    await nodes.start();
    await nodes.connect(0);
    const there = await nodes.connect(1);
    await nodes.settle();
    await nodes.runtimes[0]?.close();
    await nodes.settle();
    expect(there.take()).toEqual(["somebody left"]);
  });

  test("a server without a cluster tells nothing of one", async () => {
    await using runtime = createTestRuntime({ handler });
    await runtime.connect();
    expect(runtime.server.sendall("hi")).toEqual({ targeted: 1, queued: 1, dropped: 0, dead: 0 });
    expect("cluster" in runtime.server.stats()).toBe(false);
  });
});

/** An engine controlled by the test. */
class HandEngine implements ClusterAdapter {
  readonly name = "hand";
  readonly waitForLink: boolean;
  readonly published: { readonly subject: string; readonly packet: Uint8Array }[] = [];
  readonly calls: string[] = [];
  maxPacketBytes = 1_000;
  takes = true;
  /** Resolves when the relay opens the adapter. */
  readonly opened: Promise<ClusterNode>;
  node: ClusterNode | undefined;
  #onOpened: (node: ClusterNode) => void = () => {};
  confirm: () => void = () => {};
  refuse: (error: Error) => void = () => {};

  constructor(waitForLink = true) {
    this.waitForLink = waitForLink;
    this.opened = new Promise((resolve) => {
      this.#onOpened = resolve;
    });
  }

  open(node: ClusterNode): ClusterLink {
    this.node = node;
    this.#onOpened(node);
    return {
      maxPacketBytes: this.maxPacketBytes,
      publish: (subject, packet) => {
        if (this.takes) this.published.push({ subject, packet });
        return this.takes;
      },
      flush: () => this.calls.push("flush"),
      subscribe: (subjects) => {
        this.calls.push(`subscribe ${subjects.length}`);
        return new Promise((resolve, reject) => {
          this.confirm = resolve;
          this.refuse = reject;
        });
      },
      unsubscribe: (subjects) => this.calls.push(`unsubscribe ${subjects.length}`),
      close: async () => {
        this.calls.push("close");
      },
    };
  }
}

describe("the link", () => {
  async function start(engine: HandEngine, logger = new Lines()): Promise<{ runtime: TestRuntime; logger: Lines }> {
    const runtime = createTestRuntime({ handler, cluster: engine, logger });
    onTestFinished(() => runtime.close());
    await runtime.settle();
    return { runtime, logger };
  }

  async function startUp(engine: HandEngine): Promise<{ runtime: TestRuntime; logger: Lines }> {
    const started = await start(engine);
    engine.node?.up();
    engine.confirm();
    await started.runtime.settle();
    return started;
  }

  test("carries nothing before its subscription is confirmed, and counts what is lost", async () => {
    const engine = new HandEngine();
    const { runtime } = await start(engine);
    const link = () => runtime.server.stats().cluster?.link;
    expect([link(), runtime.server.isReady]).toEqual(["connecting", false]);
    engine.node?.up();
    expect([link(), runtime.server.isReady]).toEqual(["subscribing", false]);
    expect(runtime.server.sendall("lost").forwarded).toBe(0);
    engine.confirm();
    await runtime.settle();
    expect([link(), runtime.server.isReady]).toEqual(["up", true]);
    expect(runtime.server.sendall("sent").forwarded).toBe(1);
    await runtime.settle();
    expect(engine.published).toHaveLength(1);
    expect(runtime.server.stats().cluster).toMatchObject({ published: 1, unsent: 1, missed: 0, lost: 1 });
  });

  test("goes down and comes back, local delivery goes on, and nothing that was lost is sent later", async () => {
    const engine = new HandEngine();
    const { runtime, logger } = await startUp(engine);
    const client = await runtime.connect();
    engine.node?.down(new Error("cut"));
    engine.node?.down(new Error("cut"));
    expect([runtime.server.stats().cluster?.link, runtime.server.isReady]).toEqual(["down", false]);
    expect(runtime.server.stats().cluster?.subscriptions).toBe(0);
    expect(runtime.server.sendall("here")).toMatchObject({ queued: 1, forwarded: 0 });
    const late = await runtime.connect();
    expect([client.take(), late.take()]).toEqual([["here"], []]);
    engine.node?.up();
    engine.confirm();
    await runtime.settle();
    expect([engine.published.length, runtime.server.isReady]).toEqual([0, true]);
    expect(engine.calls).toContain("subscribe 2");
    expect(logger.at("warn").map(([text]) => text)).toEqual(["cluster link down"]);
    expect(logger.at("info").filter(([text]) => text === "cluster link up")).toHaveLength(2);
  });

  test("rooms that come and go while the link is down leave nothing behind", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    const { id } = await runtime.connect();
    await runtime.settle();
    engine.confirm();
    engine.node?.down(new Error("cut"));
    const before = heapInUse();
    for (let i = 0; i < 50_000; i++) {
      runtime.server.join(id, `room ${i}`);
      runtime.server.leave(id, `room ${i}`);
    }
    await runtime.settle();
    expect(heapInUse() - before).toBeLessThan(2 * 1_048_576);
  });

  test("a room that has emptied while the link was down is ended when it comes back", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    const client = await runtime.connect();
    runtime.server.join(client.id, "a");
    await runtime.settle();
    engine.confirm();
    engine.node?.down(new Error("cut"));
    runtime.server.leave(client.id, "a");
    engine.calls.length = 0;
    engine.node?.up();
    expect(engine.calls).toEqual(["unsubscribe 1", "subscribe 2"]);
  });

  test("an answer from before the link went down confirms nothing", async () => {
    const engine = new HandEngine();
    const { runtime } = await start(engine);
    engine.node?.up();
    const { confirm } = engine;
    engine.node?.down(new Error("cut"));
    engine.node?.up();
    confirm();
    await runtime.settle();
    expect(runtime.server.isReady).toBe(false);
    engine.confirm();
    await runtime.settle();
    expect(runtime.server.isReady).toBe(true);
  });

  test("subscriptions that the engine refuses are asked for again", async () => {
    const engine = new HandEngine();
    const { runtime } = await start(engine);
    engine.node?.up();
    engine.refuse(new Error("no permission"));
    await runtime.settle();
    expect(runtime.server.stats().cluster?.link).toBe("down");
    await runtime.advance(1_000);
    expect(runtime.server.stats().cluster?.link).toBe("subscribing");
    engine.confirm();
    await runtime.settle();
    expect(runtime.server.isReady).toBe(true);
  });

  test("one packet carries what a turn sends on a subject, and one flush ends it", async () => {
    const engine = new HandEngine();
    engine.maxPacketBytes = 10_000;
    const { runtime } = await startUp(engine);
    for (let i = 0; i < 16; i++) runtime.server.sendall(`m${i}`);
    runtime.server.sendall("to a room", { room: "a" });
    runtime.server.sendall("to all");
    await runtime.settle();
    expect(engine.published.map(({ subject }) => subject)).toEqual(["@all.%2A", "@room.%2A.a", "@all.%2A"]);
    expect(engine.calls.filter((call) => call === "flush")).toHaveLength(1);
    expect(runtime.server.stats().cluster?.published).toBe(18);
  });

  test("a room that comes and goes within a turn costs the engine nothing", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    const client = await runtime.connect();
    await runtime.settle();
    engine.calls.length = 0;
    runtime.server.join(client.id, "a");
    runtime.server.leave(client.id, "a");
    await runtime.settle();
    expect(engine.calls).toEqual([]);
  });

  test("a message that is too large for the engine is delivered here, and counted as lost elsewhere", async () => {
    const engine = new HandEngine();
    const { runtime, logger } = await startUp(engine);
    const client = await runtime.connect();
    expect(runtime.server.sendall("x".repeat(1_000))).toMatchObject({ queued: 1, forwarded: 0 });
    await runtime.settle();
    expect(client.take()).toEqual(["x".repeat(1_000)]);
    expect(runtime.server.stats().cluster?.unsent).toBe(1);
    expect(logger.at("warn")).toEqual([
      ["a message is too large for hand: the message does not reach other nodes", { bytes: 1_000 }],
    ]);
  });

  test("what the engine's client does not take is counted, and has no number", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    engine.takes = false;
    runtime.server.sendall("lost");
    await runtime.settle();
    engine.takes = true;
    runtime.server.sendall("sent");
    await runtime.settle();
    expect(runtime.server.stats().cluster).toMatchObject({ published: 1, unsent: 1 });
    expect(engine.published[0]?.packet.subarray(13, 19)).toEqual(Buffer.alloc(6));
  });

  test("what is garbage, of another version, repeated or misplaced is rejected and logged once for each source", async () => {
    const engine = new HandEngine();
    const { runtime, logger } = await startUp(engine);
    const client = await runtime.connect();
    await runtime.settle();
    engine.confirm();
    const all = subjectOf(scopeOf("*"), undefined);
    const head = { node: "0123456789ab", stream: 1, first: 0 };
    const good = measure({ isBinary: false, payload: Buffer.from("good") });
    const old = writePacket(head, [good]);
    old[2] = VERSION + 1;
    const misplaced = measure({ isBinary: false, payload: Buffer.from("x"), target: "y", scope: "" });
    const packet = writePacket(head, [good]);
    for (let i = 0; i < 3; i++) {
      engine.node?.received(all, Buffer.from('{"hello":"world"}'));
      engine.node?.received(all, old);
      engine.node?.received(all, packet);
      engine.node?.received(all, writePacket({ ...head, node: "ffffffffffff", first: i }, [misplaced]));
    }
    await runtime.settle();
    expect(client.take()).toEqual(["good"]);
    expect(runtime.server.stats().cluster).toMatchObject({ received: 1, rejected: 3 + 3 + 2 + 3 });
    const warned = logger.at("warn").map(([, details]) => [details.problem, details.node ?? details.subject]);
    expect(warned).toEqual([
      ["garbage", all],
      ["version", head.node],
      ["garbage", "ffffffffffff"],
      ["repeated", head.node],
    ]);
  });

  test("what is for a scope that no route has is dropped, and is nobody's dead letter", async () => {
    const engine = new HandEngine();
    const { runtime, logger } = await startUp(engine);
    const { node = "" } = runtime.server.stats().cluster ?? {};
    const own = { isBinary: false, payload: Buffer.from("x"), target: `${node}.moved` };
    const envelopes = [measure({ ...own, scope: "@other" }), measure({ ...own, scope: SESSION_SCOPE })];
    engine.node?.received(subjectOfNode(node), writePacket({ node: "0123456789ab", stream: 1, first: 0 }, envelopes));
    await runtime.settle();
    const { cluster, deadLetters } = runtime.server.stats();
    expect([deadLetters, cluster]).toEqual([0, expect.objectContaining({ received: 1, rejected: 1 })]);
    expect(logger.at("warn").map(([, { problem }]) => problem)).toEqual(["garbage"]);
  });

  test("text that is no UTF-8 reaches clients as text all the same", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    const client = await runtime.connect();
    const bad = measure({ isBinary: false, payload: Buffer.from([0x61, 0xff]) });
    engine.node?.received(
      subjectOf(scopeOf("*"), undefined),
      writePacket({ node: "0123456789ab", stream: 1, first: 0 }, [bad]),
    );
    await runtime.settle();
    expect(client.take()).toEqual(["a\ufffd"]);
  });

  test("gaps are counted and told", async () => {
    const engine = new HandEngine();
    const { runtime, logger } = await startUp(engine);
    await runtime.connect();
    const all = subjectOf(scopeOf("*"), undefined);
    const good = measure({ isBinary: false, payload: Buffer.from("good") });
    for (const first of [0, 5, 6])
      engine.node?.received(all, writePacket({ node: "0123456789ab", stream: 1, first }, [good]));
    expect(runtime.server.stats().cluster).toMatchObject({ received: 3, missed: 4, lost: 4 });
    expect(logger.at("warn")).toEqual([
      ["messages of other nodes were lost on their way", { from: "0123456789ab", missed: 4 }],
    ]);
  });

  test("what arrives between the last member of a room and the next is nobody's loss", async () => {
    const engine = new HandEngine();
    const { runtime } = await startUp(engine);
    const client = await runtime.connect();
    runtime.server.join(client.id, "a");
    await runtime.settle();
    engine.confirm();
    const room = subjectOf(scopeOf("*"), "a");
    const arrive = (first: number): void =>
      engine.node?.received(
        room,
        writePacket({ node: "0123456789ab", stream: 1, first }, [
          measure({ isBinary: false, payload: Buffer.from(`${first}`) }),
        ]),
      );
    arrive(0);
    runtime.server.leave(client.id, "a");
    arrive(1);
    runtime.server.join(client.id, "a");
    arrive(2);
    await runtime.settle();
    expect(client.take()).toEqual(["0", "2"]);
    expect(runtime.server.stats().cluster).toMatchObject({ received: 2, missed: 0, rejected: 0 });
  });

  test("an engine without a connection is CLUSTER_UNAVAILABLE with its error, and the link is closed", async () => {
    const engine = new HandEngine(false);
    const runtime = createTestRuntime({ handler, cluster: engine });
    const started = runtime.settle();
    const cause = new Error("connection refused");
    (await engine.opened).down(cause);
    const error: unknown = await started.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SendallError);
    expect(error).toMatchObject({ code: "CLUSTER_UNAVAILABLE", cause });
    expect(String(error)).toContain("cluster: cannot connect to hand: connection refused");
    expect(engine.calls).toEqual(["close"]);
  });
});
