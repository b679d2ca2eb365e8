/** Kept messages between nodes: one order that every node sees, and every hole is told. In virtual time, over an adapter in memory. */
import { channels, type ServeOptions } from "sendall";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ClusterAdapter, ClusterNode } from "../../../src/api/cluster-adapter.js";
import { KEPT, keptEnvelope } from "../../../src/cluster/kept-message.js";
import { type Envelope, measure, readPacket, writePacket } from "../../../src/cluster/packet.js";
import { scopeOf, subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";
import { memory } from "../../../src/testing/memory-cluster.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { encodeFrame } from "../../../src/transport/frame.js";
import { entry, type SentPacket, Stage, StageNode } from "./presence-stage.js";

const TEA = subjectOf(scopeOf("/"), "tea");
const STRANGER = "0123456789ab";

/** Nodes with members in the room "tea", who have heard of each other, so that nothing of before may be missing. */
async function inTea(count: number): Promise<{ stage: Stage; nodes: StageNode[] }> {
  const stage = await Stage.of(count);
  const { nodes } = stage;
  for (const node of nodes) node.enter("tea");
  await stage.settle();
  for (const node of nodes) node.keep("tea", "first words");
  await stage.settle();
  forget(nodes);
  stage.wire.sent.length = 0;
  return { stage, nodes };
}

function forget(nodes: readonly StageNode[]): void {
  for (const { kept, events } of nodes) kept.length = events.length = 0;
}

function texts({ kept }: StageNode): string[] {
  return kept.map(({ data }) => data);
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error("there are not so many");
  return item;
}

function isKept({ bytes }: SentPacket): boolean {
  const packet = readPacket(bytes);
  return "envelopes" in packet && packet.envelopes.some(({ extension }) => extension?.kind === KEPT);
}

/** A packet of a node that is not of the stage. */
function packet(first: number, ...envelopes: readonly Envelope[]): Buffer {
  return writePacket({ node: STRANGER, stream: 1, first }, envelopes.map(measure));
}

function kept(data: string | Buffer, source?: string, sentAt = 5): Envelope {
  return keptEnvelope(encodeFrame(data), source, sentAt).envelope;
}

describe("the one order", () => {
  test("every node sees the kept messages of all nodes in one order, its own when they come back", async () => {
    const { stage, nodes } = await inTea(3);
    const [a, b, c] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
    for (let i = 0; i < 20; i++) {
      for (const [name, node] of [
        ["a", a],
        ["b", b],
        ["c", c],
      ] as const)
        if (i % 3 !== 0 || name !== "b") expect(node.keep("tea", `${name}${i}`)).toBe(1);
      if (i % 4 === 0) await stage.settle();
    }
    expect(texts(a)).not.toContain("a19");
    await stage.settle();
    expect(texts(a)).toHaveLength(53);
    expect(new Set(texts(a)).size).toBe(53);
    expect([texts(b), texts(c)]).toEqual([texts(a), texts(a)]);
    expect(nodes.flatMap(({ events }) => events).filter((event) => event.startsWith("break"))).toEqual([]);
  });

  test("text, bytes, nothing, the source and the time arrive as they were sent", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    const own = `${a.relay.node}.12`;
    const other = `${b.relay.node}.34`;
    a.keep("tea", "Gr\u00fc\u00dfe \u{1f600}", { source: own, at: 1_800_000_000_000 });
    a.keep("tea", Buffer.from([0, 255, 128]), { source: other, at: 2.5 });
    a.keep("tea", "");
    for (const source of ["somebody", "", "\u00e9".repeat(300), `${own}${"x".repeat(300)}`])
      a.keep("tea", "!", { source });
    await stage.settle();
    const sent = [
      { room: "tea", data: "Gr\u00fc\u00dfe \u{1f600}", at: 1_800_000_000_000, source: own },
      { room: "tea", data: "00ff80", at: 2.5, source: other },
      { room: "tea", data: "", at: 0 },
      ...Array.from({ length: 4 }, () => ({ room: "tea", data: "!", at: 0 })),
    ];
    expect([a.kept, b.kept]).toEqual([sent, sent]);
  });

  test("messages of one turn keep their order among kept messages and among all others, in packets apart", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    for (const text of ["1", "2"]) {
      a.bus.publish(encodeFrame(`plain ${text}`), ["tea"], undefined);
      a.bus.publish(encodeFrame(`plain ${text}, too`), ["tea"], undefined);
      a.change("tea", entry(text));
      a.keep("tea", `kept ${text}`);
      a.keep("tea", `kept ${text}, too`);
    }
    await stage.settle();
    expect([a, b].map(texts)).toEqual(Array(2).fill(["kept 1", "kept 1, too", "kept 2", "kept 2, too"]));
    expect(b.delivered).toEqual(["plain 1", "plain 1, too", "plain 2", "plain 2, too"]);
    const onTea = stage.wire.sent.filter(({ subject, node }) => subject === TEA && node === a.relay.node);
    const kinds = onTea.map((sent) => [sent.isPresence, isKept(sent), sent.isEcho]);
    const [plain, presence, ordered] = [
      [false, false, false],
      [true, false, false],
      [false, true, true],
    ];
    expect(kinds).toEqual([plain, presence, ordered, plain, presence, ordered]);
  });

  test("a node's own packets are no messages of other nodes: each is counted once, where it was sent", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    const before = nodes.map(({ relay }) => relay.stats());
    for (const text of ["1", "2", "3"]) a.keep("tea", text);
    await stage.settle();
    const [ofA, ofB] = [at(before, 0), at(before, 1)];
    expect(a.relay.stats()).toEqual({ ...ofA, published: ofA.published + 3 });
    expect(b.relay.stats()).toEqual({ ...ofB, received: ofB.received + 3 });
  });

  test("that plain messages do not come back to their node is no gap among those that do", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    stage.wire.isLost = (sent, to) => sent.node === to && !isKept(sent);
    for (let i = 0; i < 5; i++) {
      a.bus.publish(encodeFrame("plain"), ["tea"], undefined);
      a.keep("tea", `${i}`);
      await stage.settle();
    }
    b.keep("tea", "and b");
    await stage.settle();
    expect([a.events, b.events]).toEqual(Array(2).fill(["0", "1", "2", "3", "4", "and b"]));
    expect(nodes.map(({ relay }) => relay.stats()).map(({ missed, rejected }) => [missed, rejected])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("a packet that comes twice is delivered once, and counted as rejected", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    a.keep("tea", "once");
    await stage.settle();
    const sent = at(stage.wire.sent.filter(isKept), 0);
    for (const { relay } of [a, b]) stage.wire.inject(relay.node, TEA, sent.bytes);
    expect([a.events, b.events]).toEqual([["once"], ["once"]]);
    expect([a, b].map(({ relay }) => relay.stats().rejected)).toEqual([1, 1]);
  });

  test("only an adapter that says isOrdered orders", async () => {
    const { isOrdered: _isOrdered, ...old } = memory();
    const buses = [memory(), old].map((adapter) => new StageNode(adapter, new HandClock(), STRANGER, false).bus);
    expect(buses.map((bus) => [bus.isOrdered, bus.forChannel("a").isOrdered])).toEqual([
      [true, true],
      [false, false],
    ]);
  });
});

describe("nothing is missed", () => {
  test("of what a node without members has kept before its first member comes", async () => {
    const { stage, nodes } = await inTea(1);
    const other = await stage.add(false);
    for (const text of ["1", "2"]) other.keep("tea", text);
    await stage.settle();
    other.enter("tea");
    await stage.settle();
    other.keep("tea", "3");
    await stage.settle();
    expect([texts(at(nodes, 0)), other.events]).toEqual([
      ["1", "2", "3"],
      ["break of tea", "3"],
    ]);
    expect(other.relay.stats().missed).toBe(0);
  });

  test("of what the engine's client has not taken", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    stage.wire.cut(a.relay.node, false);
    a.keep("tea", "not taken");
    await stage.settle();
    stage.wire.mend(a.relay.node);
    for (const text of ["1", "2"]) {
      a.keep("tea", text);
      await stage.settle();
    }
    expect([a.events, b.events]).toEqual(Array(2).fill(["1", "2"]));
    expect(a.relay.stats()).toMatchObject({ unsent: 1, missed: 0 });
  });

  test("after a break that was told already: of the members that have left, or of the link", async () => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    const lose = async (): Promise<void> => {
      stage.wire.isLost = () => true;
      a.keep("tea", "lost");
      await stage.settle();
      stage.wire.isLost = () => false;
    };
    await lose();
    a.leave("tea");
    await stage.settle();
    a.enter("tea");
    await stage.settle();
    a.keep("tea", "1");
    await stage.settle();
    await lose();
    stage.wire.cut(a.relay.node, true);
    stage.wire.mend(a.relay.node);
    await stage.settle();
    a.keep("tea", "2");
    await stage.settle();
    const breakOfTea = "break of tea";
    expect(a.events).toEqual([breakOfTea, breakOfTea, "1", "break of every room", breakOfTea, "2"]);
    expect(a.relay.stats().missed).toBe(0);
  });
});

describe("a break is told", () => {
  test("when a packet of another node is missed, before what follows", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    stage.wire.isLost = (_sent, to) => to === b.relay.node;
    a.keep("tea", "lost");
    await stage.settle();
    stage.wire.isLost = () => false;
    for (const text of ["next", "last"]) {
      a.keep("tea", text);
      await stage.settle();
    }
    expect(a.events).toEqual(["lost", "next", "last"]);
    expect(b.events).toEqual(["break of tea", "next", "last"]);
    expect(b.relay.stats().missed).toBe(1);
  });

  test("when a message of the node itself does not come back, before what follows", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    stage.wire.isLost = (_sent, to) => to === a.relay.node;
    a.keep("tea", "lost");
    a.keep("tea", "lost, too");
    await stage.settle();
    stage.wire.isLost = () => false;
    for (const text of ["next", "last"]) {
      a.keep("tea", text);
      await stage.settle();
    }
    expect(a.events).toEqual(["break of tea", "next", "last"]);
    expect(b.events).toEqual(["lost", "lost, too", "next", "last"]);
    expect(a.relay.stats()).toMatchObject({ missed: 2, lost: 2 });
    expect(a.log.at("warn")).toEqual([
      ["kept messages of this node were lost on their way", { from: a.relay.node, missed: 2 }],
    ]);
  });

  test("when another node is heard for the first time, and has spoken before", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    const late = await stage.add();
    late.enter("tea");
    await stage.settle();
    late.events.length = 0;
    for (const node of [a, b, a]) node.keep("tea", `of ${node.relay.node}`);
    await stage.settle();
    expect(late.events).toEqual([
      "break of tea",
      `of ${a.relay.node}`,
      `of ${a.relay.node}`,
      "break of tea",
      `of ${b.relay.node}`,
    ]);
    late.keep("tea", "of a node that has said nothing before");
    forget([a, b]);
    await stage.settle();
    expect(a.events).toEqual(["of a node that has said nothing before"]);
  });

  test("when the last member leaves, and when the room is heard again", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    expect(b.events.splice(0)).toEqual(["break of milk"]);
    b.leave("tea");
    expect(b.events.splice(0)).toEqual(["break of tea"]);
    await stage.settle();
    a.keep("tea", "unheard");
    await stage.settle();
    b.enter("tea");
    await stage.settle();
    expect(b.events).toEqual(["break of tea"]);
    expect([a.events, b.kept, a.relay.stats().missed, b.relay.stats().missed]).toEqual([["unheard"], [], 0, 0]);
  });

  test("when a room empties and fills again within a turn", async () => {
    const { stage, nodes } = await inTea(1);
    const [a] = [at(nodes, 0)];
    a.leave("tea");
    a.enter("tea");
    await stage.settle();
    a.keep("tea", "again");
    await stage.settle();
    expect(a.events).toEqual(["break of tea", "again"]);
  });

  test("of every room when the link is lost, and of each room when the link is up again", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    forget(nodes);
    stage.wire.cut(b.relay.node, true);
    expect(b.events.splice(0)).toEqual(["break of every room"]);
    expect(b.keep("tea", "not sent")).toBe(0);
    a.keep("tea", "unheard");
    await stage.settle();
    expect(b.events).toEqual([]);
    stage.wire.mend(b.relay.node);
    await stage.settle();
    expect(b.events.splice(0).sort()).toEqual(["break of milk", "break of tea"]);
    b.keep("tea", "back");
    await stage.settle();
    expect([a.events, b.events]).toEqual([["unheard", "back"], ["back"]]);
    expect(b.relay.stats()).toMatchObject({ unsent: 1, missed: 0 });
  });

  test("of a room alone: a gap among the messages for everybody is none among kept messages", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    const everybody = (text: string): 0 | 1 => a.bus.publish(encodeFrame(text), undefined, undefined);
    everybody("1");
    await stage.settle();
    stage.wire.isLost = () => true;
    everybody("2");
    await stage.settle();
    stage.wire.isLost = () => false;
    everybody("3");
    await stage.settle();
    expect([b.delivered, b.relay.stats().missed, b.events]).toEqual([["1", "3"], 1, []]);
  });
});

describe("a message for a room whose members have just come", () => {
  function gate(stage: Stage): { open: () => void; refuse: () => void } {
    let [open, refuse] = [(): void => {}, (): void => {}];
    stage.wire.confirming = new Promise((resolve, reject) => {
      open = resolve;
      refuse = () => reject(new Error("no permission"));
    });
    return { open, refuse };
  }

  test("waits for the engine to confirm, so that they get it, and what follows waits behind it", async () => {
    const { stage } = await inTea(1);
    const a = await stage.add(false);
    a.enter("tea");
    await stage.settle();
    a.events.length = 0;
    const { open } = gate(stage);
    a.enter("milk");
    expect(a.keep("milk", "1")).toBe(1);
    await stage.settle();
    expect([a.keep("milk", "2"), a.keep("tea", "elsewhere")]).toEqual([1, 1]);
    await stage.settle();
    expect(a.events).toEqual(["elsewhere"]);
    open();
    await stage.settle();
    expect(a.events).toEqual(["elsewhere", "break of milk", "1", "2"]);
    a.keep("milk", "3");
    await stage.settle();
    expect(a.events).toEqual(["elsewhere", "break of milk", "1", "2", "3"]);
    expect(a.relay.stats()).toMatchObject({ unsent: 0, missed: 0 });
  });

  test("goes out when they leave before", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    gate(stage);
    a.enter("milk");
    a.keep("milk", "goodbye");
    await stage.settle();
    expect(texts(b)).toEqual([]);
    a.leave("milk");
    await stage.settle();
    expect([texts(a), texts(b)]).toEqual([[], ["goodbye"]]);
  });

  test("goes out to the others if the engine refuses the subscription, as does what follows", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    const { refuse } = gate(stage);
    a.enter("milk");
    a.keep("milk", "1");
    await stage.settle();
    refuse();
    await stage.settle();
    a.keep("milk", "2");
    await stage.settle();
    expect([texts(a), texts(b)]).toEqual([[], ["1", "2"]]);
  });

  test("is lost with the link, and counted", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    gate(stage);
    a.enter("milk");
    for (const text of ["1", "2"]) a.keep("milk", text);
    await stage.settle();
    stage.wire.cut(a.relay.node, true);
    expect(a.relay.stats().unsent).toBe(2);
    stage.wire.confirming = Promise.resolve();
    stage.wire.mend(a.relay.node);
    await stage.settle();
    a.keep("milk", "3");
    await stage.settle();
    expect([texts(a), texts(b)]).toEqual([["3"], ["3"]]);
  });

  test("goes out when its server closes", async () => {
    const { stage, nodes } = await inTea(2);
    const [a, b] = [at(nodes, 0), at(nodes, 1)];
    b.enter("milk");
    await stage.settle();
    gate(stage);
    a.enter("milk");
    a.keep("milk", "goodbye");
    await stage.settle();
    const closed = a.relay.close();
    await stage.settle();
    await closed;
    expect(texts(b)).toEqual(["goodbye"]);
  });

  test("is refused beyond 16 MiB that wait", async () => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    gate(stage);
    a.enter("milk");
    const taken = Array.from({ length: 20 }, () => a.keep("milk", Buffer.alloc(1_000_000)));
    expect(taken.filter((one) => one === 1)).toHaveLength(16);
    expect(a.relay.stats().unsent).toBe(4);
  });
});

describe("what is no kept message", () => {
  const good = kept("good");
  const bytes = Buffer.from(good.extension?.bytes ?? []);
  const extension = (some: Uint8Array): Envelope => ({ ...good, extension: { kind: KEPT, bytes: some } });
  const double = (value: number): Buffer => {
    const some = Buffer.alloc(8);
    some.writeDoubleBE(value);
    return some;
  };

  test.each([
    ["no time", extension(Buffer.alloc(0))],
    ["a time cut off", extension(bytes.subarray(1))],
    ["more than a time", extension(Buffer.concat([bytes, bytes]))],
    ["a time that is no number", extension(double(Number.NaN))],
    ["a time without end", extension(double(Number.POSITIVE_INFINITY))],
    ["a time beyond any date", extension(double(8.7e15))],
    ["a time before 1970", extension(double(-1))],
    ["rooms of its own", { ...good, rooms: ["tea"] }],
    ["a target", { ...good, target: "x", scope: "" }],
  ])("is rejected and counted, and nothing else is lost: %s", async (_case, garbage) => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    const { received } = a.relay.stats();
    stage.wire.inject(a.relay.node, TEA, packet(0, kept("before"), garbage, kept("behind")));
    expect(a.events).toEqual(["before", "behind"]);
    expect(a.relay.stats()).toMatchObject({ received: received + 2, rejected: 1, missed: 0 });
  });

  test("a kept message on a subject that is no room's is rejected", async () => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    stage.wire.inject(a.relay.node, subjectOf(scopeOf("/"), undefined), packet(0, good));
    stage.wire.inject(a.relay.node, subjectOfNode(a.relay.node), packet(0, good));
    const targeted = { ...good, target: `${a.relay.node}.1`, scope: scopeOf("/") };
    stage.wire.inject(a.relay.node, subjectOfNode(a.relay.node), packet(1, targeted));
    expect([a.events, a.relay.stats().rejected]).toEqual([[], 3]);
  });

  test("in a packet that names this node as its sender, only kept messages are believed", async () => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    const plain = { isBinary: false, payload: Buffer.from("plain") };
    const head = { node: a.relay.node, stream: 9, first: 0 };
    stage.wire.inject(a.relay.node, TEA, writePacket(head, [good, plain].map(measure)));
    stage.wire.inject(a.relay.node, TEA, writePacket({ ...head, first: 2 }, [measure(plain)]));
    expect([a.events, a.delivered, a.relay.stats().rejected]).toEqual([["good"], [], 1]);
  });

  test("text that is no UTF-8 arrives as text all the same, and what arrives is the receiver's own", async () => {
    const { stage, nodes } = await inTea(1);
    const a = at(nodes, 0);
    const taken: Uint8Array[] = [];
    a.receiveKept = (_room, message) => taken.push(message.bytes);
    const bad = { ...good, payload: Buffer.from([0x61, 0xff]) };
    const sent = packet(0, bad, kept("good"), kept(Buffer.from([0xff])));
    stage.wire.inject(a.relay.node, TEA, sent);
    sent.fill(0);
    expect(taken.map((some) => Buffer.from(some).toString("latin1"))).toEqual(["a\xef\xbf\xbd", "good", "\xff"]);
  });
});

test("a kept message that is too large for the engine is not sent, and counted", async () => {
  const { stage, nodes } = await inTea(2);
  const a = at(nodes, 0);
  expect([a.keep("tea", "x".repeat(1_048_576)), a.keep("tea", "small")]).toEqual([0, 1]);
  await stage.settle();
  expect(nodes.map(texts)).toEqual([["small"], ["small"]]);
  expect(a.relay.stats()).toMatchObject({ unsent: 1, missed: 0 });
  expect(a.log.at("warn")).toEqual([
    ["a message is too large for memory: the message does not reach other nodes", { bytes: 1_048_576 }],
  ]);
});

describe("a server without history", () => {
  /** A server, and the node as its adapter sees the node. */
  async function start(options: Partial<ServeOptions>): Promise<{ runtime: TestRuntime; node: ClusterNode }> {
    const engine = memory();
    let node: ClusterNode | undefined;
    const cluster: ClusterAdapter = {
      ...engine,
      open(opened) {
        node = opened;
        return engine.open(opened);
      },
    };
    const runtime = createTestRuntime({ handler: () => {}, ...options, cluster } as ServeOptions);
    onTestFinished(() => runtime.close());
    await runtime.settle();
    if (node === undefined) throw new Error("the server has not opened its adapter");
    return { runtime, node };
  }

  test("delivers what other nodes keep to the members of the room, but not to the source", async () => {
    const { runtime, node } = await start({});
    const [ann, bob, eve] = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
    for (const { id } of [ann, bob]) runtime.server.join(id, "tea");
    await runtime.settle();
    node.received(subjectOf(scopeOf("*"), "tea"), packet(0, kept("hi"), kept(Buffer.from([1, 255]), ann.id)));
    await runtime.settle();
    expect([ann, bob, eve].map((client) => client.take())).toEqual([["hi"], ["hi", Buffer.from([1, 255])], []]);
  });

  test("delivers what is kept in a channel as the messages of the channel", async () => {
    const handler = channels({
      ann: (event) => {
        if (event.type === "open") event.connection.join("tea");
      },
    });
    const { runtime, node } = await start({ handler });
    const client = await runtime.connect();
    client.send("sub,ann");
    await runtime.settle();
    node.received(subjectOf(scopeOf("ann", scopeOf("*")), "tea"), packet(0, kept("hi")));
    await runtime.settle();
    expect(client.take()).toEqual(["msg,ann,hi"]);
  });
});
