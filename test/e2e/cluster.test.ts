/**
 * Servers joined by real engines: what reaches whom, and what becomes of it when the engine is killed, frozen, cut off, refuses or is
 * not there. Nothing waits for a time: each step waits until clients or numbers show that the last one has happened.
 */
import { SendallError, type Server, serve } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { measure, VERSION, writePacket } from "../../src/cluster/packet.js";
import { Lines } from "../unit/stage.js";
import { Engine, KINDS, Network } from "./engines.js";
import { Client, heapInUse, nextRound, until } from "./peers.js";
import { requires } from "./requires.js";

/** A server that greets each connection with its id. */
async function startNode(
  cluster: ReturnType<Engine["adapter"]>,
  logger: Lines = new Lines("silent"),
): Promise<{ server: Server; logger: Lines }> {
  const server = await serve({
    port: 0,
    logger,
    cluster,
    handler(event, bus) {
      if (event.type === "open") bus.unicast(event.connection.id, event.connection);
    },
  });
  onTestFinished(() => server.close());
  return { server, logger };
}

/** A client and the id that it was greeted with. */
async function enter({ url }: Server): Promise<{ client: Client; id: string }> {
  const client = await Client.open(url);
  await until(() => client.received.length > 0);
  return { client, id: String(client.received.shift()) };
}

/** Until all that the nodes want to hear is heard. */
async function untilHeard(servers: readonly Server[], count: number): Promise<void> {
  await until(() => servers.every((server) => server.stats().cluster?.subscriptions === count));
}

function lost(server: Server): number {
  return server.stats().cluster?.lost ?? Number.NaN;
}

/** Two nodes, one of which sends without a pause to a client of each. */
class Stream {
  readonly sender: Server;
  readonly receiver: Server;
  readonly here: Client;
  readonly there: Client;
  sent = 0;
  #isOn = true;
  readonly #over: Promise<void>;

  private constructor(sender: Server, receiver: Server, here: Client, there: Client) {
    this.sender = sender;
    this.receiver = receiver;
    this.here = here;
    this.there = there;
    this.#over = this.#run();
    onTestFinished(() => this.stop());
  }

  static async between(sender: Server, receiver: Server): Promise<Stream> {
    const [here, there] = [await enter(sender), await enter(receiver)];
    await untilHeard([sender, receiver], 2);
    const stream = new Stream(sender, receiver, here.client, there.client);
    await stream.flows();
    return stream;
  }

  async #run(): Promise<void> {
    while (this.#isOn) {
      this.sender.sendall(`${this.sent++}`);
      await nextRound();
    }
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#over;
  }

  /** Something that is sent from now on has arrived on both sides. */
  async flows(): Promise<void> {
    const from = this.sent;
    for (const client of [this.here, this.there]) await until(() => Number(client.received.at(-1) ?? -1) >= from);
  }

  /** Local delivery has never stopped, nothing has come twice, and what is missing is what was counted. */
  async check(): Promise<void> {
    await this.flows();
    await this.stop();
    const last = String(this.sent - 1);
    for (const client of [this.here, this.there]) await until(() => client.received.at(-1) === last);
    expect(this.here.received.map(Number)).toEqual(Array.from({ length: this.sent }, (_, i) => i));
    const arrived = this.there.received.map(Number);
    expect(arrived.every((number, i) => i === 0 || number > (arrived[i - 1] ?? 0))).toBe(true);
    expect(lost(this.sender) + lost(this.receiver)).toBe(this.sent - arrived.length);
  }
}

describe.each(KINDS)("$name", (kind) => {
  const { skip } = requires(kind.name);

  test.skipIf(skip)("three nodes and thirty clients are as one server", async () => {
    const engine = await Engine.start(kind);
    const nodes = await Promise.all([0, 1, 2].map(() => startNode(engine.adapter())));
    const servers = nodes.map(({ server }) => server);
    const members = await Promise.all(Array.from({ length: 30 }, (_, i) => enter(at(servers, i % 3))));
    members.forEach(({ id }, i) => {
      if (i % 2 === 0) at(servers, i % 3).join(id, "even");
    });
    await untilHeard(servers, 3);
    const expected: string[][] = members.map(() => []);
    servers.forEach((server, node) => {
      members.forEach(({ id }, i) => {
        server.unicast(`unicast ${node}-${i}`, id);
        at(expected, i).push(`unicast ${node}-${i}`);
        server.broadcast(`broadcast ${node}-${i}`, id);
        expected.forEach((list, other) => {
          if (other !== i) list.push(`broadcast ${node}-${i}`);
        });
      });
      server.sendall(`sendall ${node}`);
      server.sendall(`even ${node}`, { room: "even" });
      server.broadcast(`rooms ${node}`, at(members, 4).id, { room: ["even", "odd"] });
      expected.forEach((list, i) => {
        list.push(`sendall ${node}`, ...(i % 2 === 0 ? [`even ${node}`] : []));
        if (i % 2 === 0 && i !== 4) list.push(`rooms ${node}`);
      });
      server.sendall(`end ${node}`);
      for (const list of expected) list.push(`end ${node}`);
    });
    for (const [i, { client }] of members.entries()) {
      await until(() => client.received.filter((text) => String(text).startsWith("end")).length === 3);
      const got = client.received.map(String);
      // Exactly once each; what one node sends in its order.
      expect(got.toSorted()).toEqual(at(expected, i).toSorted());
      for (const node of [0, 1, 2]) expect(of(node, got)).toEqual(of(node, at(expected, i)));
    }
    for (const server of servers)
      expect(server.stats().cluster).toMatchObject({ link: "up", lost: 0, rejected: 0, unsent: 0, missed: 0 });
  });

  test.skipIf(skip)("an engine that is killed and comes back loses what is counted, and nothing else", async () => {
    const engine = await Engine.start(kind);
    const [a, b] = [await startNode(engine.adapter()), await startNode(engine.adapter())];
    const stream = await Stream.between(a.server, b.server);
    await engine.kill();
    await until(() => !a.server.isReady && !b.server.isReady);
    const before = heapInUse();
    for (let i = 0; i < 20_000; i++) a.server.sendall("x".repeat(1_024), { room: "nobody" });
    expect(heapInUse() - before).toBeLessThan(4 * 1_048_576);
    expect(a.server.stats().cluster).toMatchObject({ subscriptions: 0 });
    const unheard = 20_000;
    await engine.start();
    await until(() => a.server.isReady && b.server.isReady);
    await stream.flows();
    await stream.stop();
    const last = String(stream.sent - 1);
    for (const client of [stream.here, stream.there]) await until(() => client.received.at(-1) === last);
    const arrived = stream.there.received.map(Number);
    expect(new Set(arrived).size).toBe(arrived.length);
    expect(stream.here.received.map(Number)).toEqual(Array.from({ length: stream.sent }, (_, i) => i));
    expect(lost(a.server) + lost(b.server)).toBe(stream.sent - arrived.length + unheard);
    expect(lost(a.server)).toBeGreaterThan(unheard);
  });

  test.skipIf(skip)("a node whose connection is cut comes back by itself; the others notice nothing", async () => {
    const engine = await Engine.start(kind);
    const network = await Network.before(engine);
    const a = await startNode(engine.adapter());
    const b = await startNode(engine.adapter({}, network.url), new Lines());
    const stream = await Stream.between(a.server, b.server);
    network.cut();
    await until(() => !b.server.isReady);
    expect(a.server.isReady).toBe(true);
    await until(() => b.server.isReady);
    await stream.check();
    const lines = b.logger.lines.map(({ text }) => text).filter((text) => text.startsWith("cluster link"));
    // A busy machine may answer the pings of the node too late, so that the link goes down once more.
    expect(lines.length).toBeGreaterThanOrEqual(3);
    // It may also go down before the subscriptions are confirmed, and then is not up in between.
    const [up, down] = ["cluster link up", "cluster link down"];
    const changes = lines.filter((line, i) => line === up || lines[i - 1] !== down);
    expect(changes).toEqual(changes.map((_, i) => (i % 2 === 0 ? up : down)));
  });

  test.skipIf(skip)("an engine that falls silent is given up, and heard again when it speaks", async () => {
    const engine = await Engine.start(kind);
    const [a, b] = [await startNode(engine.adapter()), await startNode(engine.adapter())];
    const stream = await Stream.between(a.server, b.server);
    engine.freeze();
    await until(() => !a.server.isReady && !b.server.isReady);
    engine.thaw();
    await until(() => a.server.isReady && b.server.isReady);
    await stream.check();
  });

  test.skipIf(skip)("a server closes in time while its engine is silent", async () => {
    const engine = await Engine.start(kind);
    const { server } = await startNode(engine.adapter());
    engine.freeze();
    await server.close();
    expect(server.stats().cluster?.link).toBe("closed");
    engine.thaw();
  });

  test.skipIf(skip)("a node that reads too slowly is cut by the engine, and knows what it has missed", async () => {
    const engine = await Engine.start(kind, ...kind.strict);
    const network = await Network.before(engine);
    const a = await startNode(engine.adapter());
    // Its own pings must not be what cuts it.
    const b = await startNode(engine.adapter({ pingMs: 600_000 }, network.url));
    const { client } = await enter(b.server);
    await untilHeard([b.server], 2);
    a.server.sendall("begin");
    await until(() => client.received.length === 1);
    network.hold();
    let isCut = false;
    const cut = engine.lines.next(/slow consumer|overcoming of output buffer limits/i).then(() => {
      isCut = true;
    });
    let sent = 1;
    for (; !isCut; sent++) {
      a.server.sendall(String(sent).padEnd(200_000));
      await nextRound();
    }
    await cut;
    network.release();
    await until(() => !b.server.isReady);
    await until(() => b.server.isReady);
    // An engine that is held up by the slow one may hold up the fast one, whose link takes no more for a while.
    for (; a.server.sendall("end").forwarded === 0; sent++) await nextRound();
    await until(() => client.received.at(-1) === "end");
    const arrived = client.received.length - 1;
    expect(arrived).toBeLessThan(sent);
    expect(b.server.stats().cluster?.missed).toBeGreaterThan(0);
    expect(lost(a.server) + lost(b.server)).toBe(sent - arrived);
  });

  test.skipIf(skip)(
    "without the engine serve rejects with CLUSTER_UNAVAILABLE, and nothing is left listening",
    async () => {
      const engine = await Engine.absent(kind);
      const error: unknown = await serve({ port: 0, logger: false, handler() {}, cluster: engine.adapter() }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(SendallError);
      expect(error).toMatchObject({ code: "CLUSTER_UNAVAILABLE", cause: expect.any(Error) });
      expect(String(error)).toContain(`cluster: cannot connect to ${kind.name}: `);
    },
  );

  test.skipIf(skip)("with waitForLink a server starts alone and is joined once the engine is there", async () => {
    const engine = await Engine.absent(kind);
    const a = await startNode(engine.adapter({ waitForLink: true }));
    expect(a.server.isReady).toBe(false);
    const here = await enter(a.server);
    expect(a.server.sendall("alone")).toMatchObject({ queued: 1, forwarded: 0 });
    await engine.start();
    await until(() => a.server.isReady);
    const b = await startNode(engine.adapter());
    b.server.sendall("together");
    await until(() => here.client.received.length === 2);
    expect(here.client.received).toEqual(["alone", "together"]);
  });

  test.skipIf(skip)("credentials that the engine refuses are told at the start, and waited out later", async () => {
    const engine = await Engine.start(kind, ...kind.secret);
    await expect(serve({ port: 0, logger: false, handler() {}, cluster: engine.adapter() })).rejects.toMatchObject({
      code: "CLUSTER_UNAVAILABLE",
    });
    await engine.kill();
    await engine.start();
    const { server, logger } = await startNode(engine.adapter(), new Lines());
    await engine.kill();
    await engine.start(...kind.secret);
    const refusals = () => logger.at("warn").filter(([, { err }]) => /auth/i.test(String(err)));
    await until(() => refusals().length > 0);
    expect(server.isReady).toBe(false);
    await engine.kill();
    await engine.start();
    await until(() => server.isReady);
    // However often it has been refused meanwhile.
    expect(refusals()).toHaveLength(1);
  });

  test.skipIf(skip)(
    "what strangers publish on our subjects is rejected, counted, and logged once for each source",
    async () => {
      const engine = await Engine.start(kind);
      const { server, logger } = await startNode(engine.adapter(), new Lines());
      const { client } = await enter(server);
      await untilHeard([server], 2);
      const foreign = writePacket({ node: "0123456789ab", stream: 1, first: 0 }, [
        measure({ isBinary: false, payload: Buffer.from("from the future") }),
      ]);
      foreign[2] = VERSION + 1;
      for (const packet of [Buffer.from("{}"), foreign, Buffer.alloc(0), foreign, Buffer.from("SA\x01garbage")])
        await engine.publish("sendall.@all.%2A", packet);
      await until(() => server.stats().cluster?.rejected === 5);
      expect(logger.at("warn").map(([, { problem }]) => problem)).toEqual(["garbage", "version"]);
      const other = await startNode(engine.adapter());
      other.server.sendall("still heard");
      await until(() => client.received.length > 0);
      expect(client.received).toEqual(["still heard"]);
    },
  );

  test.skipIf(skip)("good credentials are taken, however they are given", async () => {
    const engine = await Engine.start(kind, ...kind.secret);
    const [a, b] = await Promise.all(kind.signedIn(engine.port).map((adapter) => startNode(adapter)));
    if (a === undefined || b === undefined) throw new Error("two are signed in");
    const { client } = await enter(b.server);
    await untilHeard([b.server], 2);
    a.server.sendall("hello");
    await until(() => client.received.length > 0);
    expect(client.received).toEqual(["hello"]);
  });

  test.skipIf(skip)("the engine knows a room only while it has members", async () => {
    const engine = await Engine.start(kind);
    const { server } = await startNode(engine.adapter());
    const { client, id } = await enter(server);
    const node = `sendall.@node.${server.stats().cluster?.node}`;
    server.join(id, "lobby");
    await untilHeard([server], 3);
    expect((await engine.subjects()).toSorted()).toEqual(["sendall.@all.%2A", node, "sendall.@room.%2A.lobby"]);
    client.ws.close();
    // The engine has taken in what it was asked before it answers a newcomer.
    await untilHeard([server], 1);
    let subjects = await engine.subjects();
    while (subjects.length > 1) subjects = await engine.subjects();
    expect(subjects).toEqual([node]);
  });

  test.skipIf(skip)("a room that has emptied while the link was down is not heard when it comes back", async () => {
    const engine = await Engine.start(kind);
    const { server } = await startNode(engine.adapter());
    const { id } = await enter(server);
    server.join(id, "lobby");
    await untilHeard([server], 3);
    await engine.kill();
    await until(() => !server.isReady);
    server.leave(id, "lobby");
    await engine.start();
    await until(() => server.isReady);
    expect((await engine.subjects()).filter((subject) => subject.includes("lobby"))).toEqual([]);
  });

  test.skipIf(skip)("two programs with different prefixes on one engine do not hear each other", async () => {
    const engine = await Engine.start(kind);
    const ours = [
      await startNode(engine.adapter({ prefix: "ours" })),
      await startNode(engine.adapter({ prefix: "ours" })),
    ];
    const theirs = [
      await startNode(engine.adapter({ prefix: "theirs" })),
      await startNode(engine.adapter({ prefix: "theirs" })),
    ];
    const clients = [await enter(at(ours, 1).server), await enter(at(theirs, 1).server)];
    await untilHeard([at(ours, 1).server, at(theirs, 1).server], 2);
    at(ours, 0).server.sendall("ours");
    at(ours, 0).server.unicast("not for you", at(clients, 1).id);
    at(theirs, 0).server.sendall("theirs");
    for (const [i, text] of ["ours", "theirs"].entries()) {
      await until(() => at(clients, i).client.received.length > 0);
      expect(at(clients, i).client.received).toEqual([text]);
    }
  });
});

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`there is no item ${index}`);
  return item;
}

/** What one node has sent. */
function of(node: number, texts: readonly string[]): string[] {
  return texts.filter((text) => new RegExp(`^\\w+ ${node}(-|$)`).test(text));
}
