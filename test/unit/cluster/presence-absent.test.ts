/** Presence between nodes, in rooms in which other nodes have nobody: what is believed of them, when somebody comes, and what it costs. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { measure, writePacket } from "../../../src/cluster/packet.js";
import { PRESENCE } from "../../../src/cluster/presence/messages.js";
import { Peer } from "../../../src/cluster/presence/peer.js";
import { subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";
import { heapInUse } from "../../e2e/peers.js";
import { entry, messagesIn, type SentPacket, Stage, type StageNode, typesOf } from "./presence-stage.js";

const MILK = subjectOf("%2F", "milk");
const BUS = subjectOf("%2F", undefined);

/**
 * Two nodes with a member in two rooms. The first has an entry in `tea`, and so sends beats; in `milk` nobody is present, and after a beat
 * the second knows.
 */
async function two(): Promise<{ stage: Stage; a: StageNode; b: StageNode }> {
  const stage = await Stage.of(2);
  const [a, b] = [stage.node(0), stage.node(1)];
  for (const node of [a, b]) for (const room of ["tea", "milk"]) node.enter(room);
  await stage.settle();
  a.change("tea", entry("ann"));
  await stage.pass(15_000);
  stage.wire.takePresence();
  b.changes.length = 0;
  return { stage, a, b };
}

/** Keeps packets back, which the test lets arrive later. */
function hold({ wire }: Stage, isHeld: (packet: SentPacket) => boolean): SentPacket[] {
  const held: SentPacket[] = [];
  wire.isLost = (packet, to) => to !== packet.node && isHeld(packet) && held.push(packet) > 0;
  return held;
}

const isOf =
  (type: string) =>
  (packet: SentPacket): boolean =>
    typesOf([packet])[0] === type;

describe("a room in which another node has nobody", () => {
  test("is asked for once, at the first beat", async () => {
    const stage = await Stage.of(2);
    const [a, b] = [stage.node(0), stage.node(1)];
    for (const node of [a, b]) for (const room of ["tea", "milk"]) node.enter(room);
    await stage.settle();
    a.change("tea", entry("ann"));
    await stage.settle();
    stage.wire.takePresence();
    await stage.pass(10_000);
    expect(stage.wire.takePresence().flatMap(messagesIn)).toMatchObject([
      { type: "beat" },
      { type: "ask", rooms: [["milk", -1]] },
      { type: "answer", rooms: [["milk", 0, []]] },
    ]);
    await stage.pass(100_000);
    expect(new Set(typesOf(stage.wire.takePresence()))).toEqual(new Set(["beat"]));
  });

  test("is not looked at with each beat", async () => {
    const { stage, b } = await two();
    const rooms = vi.spyOn(b, "rooms");
    await stage.pass(100_000);
    expect(stage.wire.takePresence().length).toBeGreaterThan(9);
    expect(rooms).not.toHaveBeenCalled();
  });

  test("costs nothing of that node when the room's copies are read", async () => {
    const { b } = await two();
    const entriesOf = vi.spyOn(Peer.prototype, "entriesOf");
    onTestFinished(() => entriesOf.mockRestore());
    expect([...b.presence.copiesOf("milk")]).toEqual([]);
    expect(entriesOf).not.toHaveBeenCalled();
    expect(b.keys("tea")).toEqual(["ann"]);
    expect(entriesOf).toHaveBeenCalledTimes(1);
  });

  test("shows at once whoever comes there, and no more than that", async () => {
    const { stage, a, b } = await two();
    const moo = entry("moo", { info: { mood: "good" }, since: 15_000 });
    a.change("milk", moo);
    await stage.settle();
    expect(b.copies("milk")).toEqual({ [a.relay.node]: { moo } });
    a.change("milk", "moo");
    await stage.settle();
    a.change("milk", entry("cow"));
    await stage.settle();
    expect(b.keys("milk")).toEqual(["cow"]);
    expect(b.changes).toEqual([["moo"], ["moo"], ["cow"]].map((keys) => ({ at: 15_000, room: "milk", keys })));
    expect(typesOf(stage.wire.takePresence())).toEqual(["delta", "delta", "delta"]);
  });

  test("shows whoever came there unheard at the next beat", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = () => true;
    a.change("milk", entry("moo"));
    await stage.settle();
    stage.wire.isLost = () => false;
    await stage.pass(5_000);
    expect(b.changes).toEqual([{ at: 20_000, room: "milk", keys: ["moo"] }]);
  });

  test("shows whoever came there unheard with the next change, of which the owner is asked at once", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = () => true;
    a.change("milk", entry("moo"));
    await stage.settle();
    stage.wire.isLost = () => false;
    a.change("milk", entry("cow"));
    await stage.settle();
    expect(b.changes).toEqual([{ at: 15_000, room: "milk", keys: ["cow", "moo"] }]);
    expect(typesOf(stage.wire.takePresence())).toEqual(["delta", "delta", "ask", "answer"]);
  });

  test("is in doubt when an earlier change arrives later, and the owner is asked", async () => {
    const { stage, a, b } = await two();
    const held = hold(stage, ({ subject }) => subject === MILK);
    a.change("milk", entry("moo"));
    await stage.settle();
    a.change("milk", "moo");
    // The beat says that nobody is there.
    await stage.pass(5_000);
    stage.wire.isLost = () => false;
    stage.wire.takePresence();
    for (const { subject, bytes } of held.slice(0, 1)) stage.wire.inject(b.relay.node, subject, bytes);
    await stage.settle();
    expect(held).toHaveLength(2);
    expect(typesOf(stage.wire.takePresence())).toEqual(["ask", "answer"]);
    expect([b.keys("milk"), b.changes]).toEqual([[], []]);
  });

  test("stays empty when an earlier answer arrives later", async () => {
    const { stage, a, b } = await two();
    a.change("milk", entry("moo"));
    await stage.settle();
    const held = hold(stage, isOf("answer"));
    b.leave("milk");
    b.enter("milk");
    await stage.settle();
    stage.wire.isLost = isOf("ask");
    a.change("milk", "moo");
    // The beat says that nobody is there.
    await stage.pass(5_000);
    stage.wire.isLost = () => false;
    b.changes.length = 0;
    for (const { subject, bytes } of held) stage.wire.inject(b.relay.node, subject, bytes);
    await stage.pass(20_000);
    expect(held).toHaveLength(1);
    expect([b.keys("milk"), b.changes]).toEqual([[], []]);
  });
});

describe("a room that a node has begun to follow", () => {
  /** The packets that are lost when the second node comes to a room in which the first has had an entry for long. */
  const losses: Readonly<Record<string, readonly string[]>> = {
    "the question to all": ["askAll"],
    "the answer": ["answer"],
    "the question to all, and the first beat after it": ["askAll", "beat"],
    "the question to all, and the question at the beat": ["askAll", "ask"],
    "the question to all, and the answer at the beat": ["askAll", "answer"],
  };

  test.each(Object.entries(losses))("shows who is there within two beats: lost is %s", async (_, lost) => {
    const stage = await Stage.of(2);
    const [a, b] = [stage.node(0), stage.node(1)];
    for (const room of ["tea", "milk"]) a.enter(room);
    b.enter("tea");
    a.change("milk", entry("moo"));
    await stage.pass(105_000);
    const left = [...lost];
    stage.wire.isLost = (packet, to) => {
      const index = to === packet.node ? -1 : left.indexOf(String(typesOf([packet])[0]));
      if (index >= 0) left.splice(index, 1);
      return index >= 0;
    };
    b.enter("milk");
    await stage.settle();
    expect(b.keys("milk")).toEqual([]);
    // The next beat is due in 5 s, the one after it in 15 s.
    await stage.pass(16_000);
    expect([left, b.keys("milk")]).toEqual([[], ["moo"]]);
    expect(b.changes.map(({ room, keys }) => [room, keys])).toEqual([["milk", ["moo"]]]);
  });

  test("shows who is there when no question comes through before the second beat", async () => {
    const { stage, a, b } = await two();
    b.leave("milk");
    await stage.settle();
    a.change("milk", entry("moo"));
    await stage.pass(90_000);
    stage.wire.isLost = (packet) => isOf("askAll")(packet) || isOf("ask")(packet);
    b.enter("milk");
    await stage.pass(14_999);
    stage.wire.isLost = () => false;
    expect(b.keys("milk")).toEqual([]);
    await stage.pass(1);
    expect(b.keys("milk")).toEqual(["moo"]);
  });

  test("and has left and followed again is asked for again, while a question is out", async () => {
    const { stage, a, b } = await two();
    b.leave("milk");
    b.enter("milk");
    await stage.settle();
    const held = hold(stage, isOf("answer"));
    await stage.pass(5_000);
    expect(held.flatMap(messagesIn)).toMatchObject([{ rooms: [["milk", 0, []]] }]);
    b.leave("milk");
    await stage.settle();
    // Nobody hears the change, and the questions that could bring it are lost.
    a.change("milk", entry("moo"));
    await stage.settle();
    stage.wire.isLost = isOf("askAll");
    b.enter("milk");
    await stage.settle();
    stage.wire.isLost = () => false;
    // The answer of before, which knows of nobody.
    for (const { subject, bytes } of held) stage.wire.inject(b.relay.node, subject, bytes);
    await stage.settle();
    expect(b.keys("milk")).toEqual([]);
    await stage.pass(10_000);
    expect(b.keys("milk")).toEqual(["moo"]);
  });

  test("and has left is not asked for", async () => {
    const { stage, b } = await two();
    b.leave("milk");
    b.enter("milk");
    await stage.settle();
    b.leave("milk");
    stage.wire.takePresence();
    await stage.pass(10_000);
    expect(typesOf(stage.wire.takePresence())).toEqual(["beat"]);
  });

  test("shows who is there on a node which is heard for the first time after that", async () => {
    const stage = await Stage.of(2);
    const [a, b] = [stage.node(0), stage.node(1)];
    for (const room of ["tea", "milk"]) a.enter(room);
    a.change("milk", entry("moo"));
    await stage.pass(65_000);
    stage.wire.isLost = isOf("askAll");
    for (const room of ["tea", "milk"]) b.enter(room);
    await stage.settle();
    stage.wire.isLost = () => false;
    a.change("tea", entry("ann"));
    await stage.settle();
    expect([b.keys("tea"), b.keys("milk")]).toEqual([["ann"], []]);
    stage.wire.takePresence();
    await stage.pass(5_000);
    expect(b.keys("milk")).toEqual(["moo"]);
    // What the copies show is not asked for.
    expect(stage.wire.takePresence().flatMap(messagesIn)).toMatchObject([
      { type: "beat" },
      { type: "ask", rooms: [["milk", -1]] },
      { type: "answer" },
    ]);
  });

  test("shows who came there before the engine had confirmed", async () => {
    const { stage, a, b } = await two();
    b.leave("milk");
    await stage.settle();
    let confirm = (): void => {};
    stage.wire.confirming = new Promise((resolve) => {
      confirm = resolve;
    });
    b.enter("milk");
    // A beat, and an answer that knows of nobody.
    await stage.pass(5_000);
    a.change("milk", entry("moo"));
    await stage.settle();
    expect(b.keys("milk")).toEqual([]);
    confirm();
    await stage.settle();
    expect(b.keys("milk")).toEqual(["moo"]);
  });

  test("is asked for again when the link is up again, by the numbers of the copies", async () => {
    const { stage, a, b } = await two();
    stage.wire.cut(b.relay.node, true);
    a.change("milk", entry("moo"));
    await stage.pass(1_000);
    stage.wire.takePresence();
    stage.wire.mend(b.relay.node);
    await stage.settle();
    expect([b.keys("tea"), b.keys("milk")]).toEqual([["ann"], ["moo"]]);
    expect(stage.wire.takePresence().flatMap(messagesIn)).toMatchObject([
      { type: "askAll", known: { [a.relay.node]: 1 } },
      { type: "askAll", known: {} },
      { type: "answer", rooms: [["milk", 2, [expect.arrayContaining(["moo"])]]] },
    ]);
  });
});

describe("memory", () => {
  const [NODES, ROOMS] = [50, 2_000];

  /** A message of another node arrives. */
  function say({ wire }: Stage, { relay: { node } }: StageNode, from: string, stream: number, message: object): void {
    const isAnswer = "id" in message;
    const envelope = measure({
      isBinary: true,
      payload: Buffer.alloc(0),
      extension: { kind: PRESENCE, bytes: Buffer.from(JSON.stringify(message)) },
      ...(isAnswer && { target: `${node}.presence`, scope: "%2F" }),
    });
    wire.inject(node, isAnswer ? subjectOfNode(node) : BUS, writePacket({ node: from, stream, first: 0 }, [envelope]));
  }

  test("does not grow with the number of nodes times rooms in which they have nobody", async () => {
    const stage = await Stage.of(1);
    const node = stage.node(0);
    const rooms = Array.from({ length: ROOMS }, (_, index) => `room-${index}`);
    for (const room of rooms) node.enter(room);
    await stage.settle();
    const nodes = Array.from({ length: NODES }, (_, index) => (index + 0xa0).toString(16).padStart(12, "0"));
    const beatAll = async (beat: number): Promise<void> => {
      for (const other of nodes) {
        say(stage, node, other, beat, { type: "beat", beat, at: 1, rooms: [] });
        await stage.settle();
        const asked = stage.wire
          .takePresence()
          .flatMap(messagesIn)
          .flatMap((message) => (message.type === "ask" ? (message.rooms as [string, number][]) : []));
        if (asked.length > 0)
          say(stage, node, other, NODES + beat, {
            ...{ type: "answer", id: beat, part: 1, parts: 1, at: 1 },
            rooms: asked.map(([room]) => [room, 0, []]),
          });
      }
    };
    stage.wire.takePresence();
    const before = heapInUse();
    await beatAll(1);
    await stage.pass(10_000);
    await beatAll(2);
    expect(heapInUse() - before).toBeLessThan(NODES * ROOMS * 10);
    expect(stage.clock.alarms).toBe(1);
  });
});
