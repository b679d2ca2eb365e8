/** Presence between nodes: what each node tells of its entries, over the cluster in memory, in virtual time. */
import { describe, expect, test } from "vitest";
import { measure, readPacket, writePacket } from "../../../src/cluster/packet.js";
import { PRESENCE } from "../../../src/cluster/presence/messages.js";
import { subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";
import { encodeFrame } from "../../../src/transport/frame.js";
import { entry, messagesIn, type SentPacket, Stage, type StageNode, typesOf } from "./presence-stage.js";

const TEA = subjectOf("%2F", "tea");
const BUS = subjectOf("%2F", undefined);

/** Two nodes with a member in the room; the first has the entry `ann`. */
async function two(): Promise<{ stage: Stage; a: StageNode; b: StageNode }> {
  const stage = await Stage.of(2);
  const [a, b] = [stage.node(0), stage.node(1)];
  for (const node of [a, b]) node.enter("tea");
  await stage.settle();
  a.change("tea", entry("ann"));
  await stage.settle();
  stage.wire.takePresence();
  return { stage, a, b };
}

describe("presence between nodes", () => {
  test("a change of one node reaches the nodes with members in the room, in one packet", async () => {
    const stage = await Stage.of(3);
    const [a, b, c] = [stage.node(0), stage.node(1), stage.node(2)];
    a.enter("tea");
    b.enter("tea");
    c.enter("milk");
    await stage.settle();
    stage.wire.takePresence();
    const ann = entry("ann", { info: { mood: "good" }, infoAt: 5.5, since: 4, connections: 2, away: true });
    a.change("tea", ann, entry("bob"));
    await stage.settle();
    expect(b.copies("tea")).toEqual({ [a.relay.node]: { ann, bob: entry("bob") } });
    expect(Object.isFrozen(b.copies("tea")[a.relay.node]?.ann?.info)).toBe(true);
    expect(b.changes).toEqual([{ at: 0, room: "tea", keys: ["ann", "bob"] }]);
    expect(c.changes).toEqual([]);
    expect(stage.wire.takePresence().map(({ subject }) => subject)).toEqual(["@room.%2F.tea"]);
  });

  test("a node that enters a room asks every owner, once the engine has confirmed", async () => {
    const stage = await Stage.of(3);
    const [a, b, c] = [stage.node(0), stage.node(1), stage.node(2)];
    for (const node of [a, b]) node.enter("tea");
    a.change("tea", entry("ann"));
    b.change("tea", entry("bob"));
    await stage.settle();
    c.enter("tea");
    await stage.settle();
    expect(c.copies("tea")).toEqual({ [a.relay.node]: { ann: entry("ann") }, [b.relay.node]: { bob: entry("bob") } });
    a.change("tea", "ann", entry("alf"));
    await stage.settle();
    expect(c.keys("tea")).toEqual(["alf", "bob"]);
    expect(b.keys("tea")).toEqual(["alf"]);
  });

  test("after a lost change the next change shows the hole, and the owner answers at once", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = () => true;
    a.change("tea", entry("bob"));
    await stage.settle();
    stage.wire.isLost = () => false;
    expect(b.keys("tea")).toEqual(["ann"]);
    stage.wire.takePresence();
    a.change("tea", entry("cid"));
    await stage.settle();
    expect(b.keys("tea")).toEqual(["ann", "bob", "cid"]);
    expect(typesOf(stage.wire.takePresence())).toEqual(["delta", "ask", "answer"]);
    expect(b.changes.at(-1)).toEqual({ at: 0, room: "tea", keys: ["bob", "cid"] });
  });

  test("the beat heals a lost change that no other change follows", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = () => true;
    a.change("tea", "ann", entry("bob"));
    await stage.settle();
    stage.wire.isLost = () => false;
    await stage.pass(9_999);
    expect(b.keys("tea")).toEqual(["ann"]);
    await stage.pass(1);
    expect(b.keys("tea")).toEqual(["bob"]);
    expect(b.changes.slice(1)).toEqual([{ at: 10_000, room: "tea", keys: ["ann", "bob"] }]);
  });

  test("the beat says that a room has no more entries", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = () => true;
    a.change("tea", "ann");
    await stage.settle();
    stage.wire.isLost = () => false;
    stage.wire.takePresence();
    await stage.pass(10_000);
    expect(b.copies("tea")).toEqual({});
    expect(b.changes.slice(1)).toEqual([{ at: 10_000, room: "tea", keys: ["ann"] }]);
    expect(typesOf(stage.wire.takePresence())).toEqual(["beat"]);
  });

  test("a node whose first question was lost asks at the owner's next beat, although the room has not changed for long", async () => {
    const { stage, a, b } = await two();
    a.enter("milk");
    a.change("milk", entry("moo"));
    await stage.pass(100_000);
    stage.wire.isLost = ({ subject }) => subject === subjectOf("%2F", "milk");
    b.enter("milk");
    await stage.settle();
    stage.wire.isLost = () => false;
    expect(b.keys("milk")).toEqual([]);
    await stage.pass(10_000);
    expect(b.keys("milk")).toEqual(["moo"]);
  });

  test("whoever has missed a beat asks for every room", async () => {
    const { stage, a, b } = await two();
    await stage.pass(70_000);
    stage.wire.isLost = ({ subject }) => subject === BUS;
    await stage.pass(10_000);
    stage.wire.isLost = () => false;
    stage.wire.takePresence();
    await stage.pass(10_000);
    const messages = stage.wire.takePresence().flatMap(messagesIn);
    expect(messages).toMatchObject([
      { type: "beat", beat: 9, rooms: [] },
      { type: "ask", rooms: [["tea", 1]] },
      // As the asker knows it: without entries.
      { type: "answer", rooms: [["tea", 1]] },
    ]);
    expect([a.keys("tea"), b.keys("tea")]).toEqual([[], ["ann"]]);
  });

  test("an unanswered question is repeated after a second, five times, and then at the next beat", async () => {
    const { stage, a, b } = await two();
    // The first beat comes at 10 s, so that questions and beats do not mix.
    await stage.pass(10_500);
    stage.wire.isLost = ({ subject }, to) => subject === TEA && to === b.relay.node;
    a.change("tea", entry("bob"));
    await stage.settle();
    stage.wire.isLost = ({ subject }) => subject === subjectOfNode(a.relay.node);
    a.change("tea", entry("cid"));
    stage.wire.takePresence();
    await stage.pass(9_000);
    const asks = stage.wire
      .takePresence()
      .flatMap(messagesIn)
      .filter(({ type }) => type === "ask");
    expect(asks).toEqual(Array.from({ length: 6 }, () => ({ type: "ask", rooms: [["tea", -1]] })));
    expect(b.keys("tea")).toEqual(["ann"]);
    stage.wire.isLost = () => false;
    await stage.pass(500);
    expect(b.keys("tea")).toEqual(["ann", "bob", "cid"]);
    expect(b.log.at("error")).toEqual([]);
  });

  test("a question after a missed beat that stays unanswered is asked again at the next beat", async () => {
    const { stage, a, b } = await two();
    await stage.pass(70_000);
    stage.wire.isLost = ({ subject }) => subject === BUS;
    await stage.pass(10_000);
    stage.wire.isLost = ({ subject }) => subject === subjectOfNode(a.relay.node);
    await stage.pass(19_999);
    stage.wire.isLost = () => false;
    stage.wire.takePresence();
    await stage.pass(1);
    expect(typesOf(stage.wire.takePresence())).toEqual(["beat", "ask", "answer"]);
    expect([b.keys("tea"), b.changes.length]).toEqual([["ann"], 1]);
  });

  test("an answer that arrives slowly is not asked for again", async () => {
    const { stage, a, b } = await two();
    const crowd = Array.from({ length: 3 }, (_, index) => entry(`k${index}`, { info: "x".repeat(60_000) }));
    stage.wire.isLost = ({ subject }) => subject === TEA;
    a.change("tea", ...crowd);
    await stage.settle();
    const held: SentPacket[] = [];
    stage.wire.isLost = (packet, to) =>
      packet.subject === subjectOfNode(to) && typesOf([packet])[0] === "answer" && held.push(packet) > 0;
    stage.wire.takePresence();
    a.change("tea", entry("bob"));
    await stage.settle();
    expect(held).toHaveLength(3);
    for (const { subject, bytes } of held) {
      await stage.pass(900);
      stage.wire.inject(b.relay.node, subject, bytes);
    }
    expect(b.keys("tea")).toEqual(["ann", "bob", "k0", "k1", "k2"]);
    expect(stage.wire.takePresence().filter((packet) => typesOf([packet])[0] === "ask")).toHaveLength(1);
  });

  test("a change that an answer has overtaken changes nothing", async () => {
    const { stage, a, b } = await two();
    const held: SentPacket[] = [];
    stage.wire.isLost = (packet, to) => packet.subject === TEA && to === b.relay.node && held.push(packet) > 0;
    a.change("tea", "ann");
    await stage.settle();
    a.change("tea", entry("bob"));
    await stage.settle();
    a.change("tea", entry("bob", { infoAt: 1 }));
    await stage.pass(10_000);
    const told = b.changes.length;
    expect(b.copies("tea")).toEqual({ [a.relay.node]: { bob: entry("bob", { infoAt: 1 }) } });
    for (const { subject, bytes } of held) stage.wire.inject(b.relay.node, subject, bytes);
    await stage.settle();
    expect(b.copies("tea")).toEqual({ [a.relay.node]: { bob: entry("bob", { infoAt: 1 }) } });
    expect([held.length, b.changes.length]).toEqual([3, told]);
  });

  test("with the goodbye every timer is cancelled, of open questions too", async () => {
    const { stage, a, b } = await two();
    stage.wire.isLost = ({ subject }) => subject === TEA;
    a.change("tea", entry("bob"));
    await stage.settle();
    stage.wire.isLost = ({ subject }) => subject === subjectOfNode(a.relay.node);
    a.change("tea", entry("cid"));
    await stage.settle();
    // The beat of the first node; the second node's question, and its watch over the first.
    expect(stage.clock.alarms).toBe(3);
    b.presence.stop();
    expect(stage.clock.alarms).toBe(1);
    a.presence.stop();
    expect(stage.clock.alarms).toBe(0);
    b.change("tea", entry("cid"));
    await stage.settle();
    expect([stage.clock.alarms, a.keys("tea"), b.keys("tea")]).toEqual([0, [], []]);
  });

  test("the entries of a node that was killed go once, 31 s after its last packet", async () => {
    const { stage, a, b } = await two();
    await stage.pass(25_000);
    stage.wire.cut(a.relay.node, false);
    await stage.pass(100_000);
    expect(b.copies("tea")).toEqual({});
    // The last beat was sent at 20 s.
    expect(b.changes.slice(1)).toEqual([{ at: 51_000, room: "tea", keys: ["ann"] }]);
  });

  test("two lost beats in a row are no farewell", async () => {
    const { stage, b } = await two();
    await stage.pass(10_000);
    stage.wire.isLost = () => true;
    await stage.pass(20_000);
    stage.wire.isLost = () => false;
    await stage.pass(60_000);
    expect(b.changes).toHaveLength(1);
    expect(b.keys("tea")).toEqual(["ann"]);
  });

  test("a goodbye clears the entries of a node at once", async () => {
    const { stage, a, b } = await two();
    a.enter("milk");
    b.enter("milk");
    a.change("milk", entry("moo"));
    await stage.settle();
    b.changes.length = 0;
    a.presence.stop();
    a.presence.stop();
    await a.relay.close();
    await stage.settle();
    expect(b.changes).toEqual([
      { at: 0, room: "tea", keys: ["ann"] },
      { at: 0, room: "milk", keys: ["moo"] },
    ]);
    expect([b.copies("tea"), b.copies("milk")]).toEqual([{}, {}]);
    expect(typesOf(stage.wire.takePresence()).filter((type) => type === "goodbye")).toHaveLength(1);
    await stage.pass(60_000);
    expect(stage.clock.alarms).toBe(0);
  });

  test("a link that is down for 40 s and up again loses the copies in between, and finds them at once", async () => {
    const { stage, a, b } = await two();
    b.change("tea", entry("bob"));
    await stage.pass(10_000);
    stage.wire.cut(a.relay.node, true);
    await stage.pass(1_000);
    a.change("tea", entry("cid"));
    b.change("tea", entry("dot"));
    await stage.pass(39_000);
    expect([a.keys("tea"), b.keys("tea")]).toEqual([[], []]);
    stage.wire.mend(a.relay.node);
    await stage.settle();
    expect([a.keys("tea"), b.keys("tea")]).toEqual([
      ["bob", "dot"],
      ["ann", "cid"],
    ]);
    expect(b.changes.slice(1)).toEqual([
      { at: 41_000, room: "tea", keys: ["ann"] },
      { at: 50_000, room: "tea", keys: ["ann", "cid"] },
    ]);
    expect(a.relay.stats()).toMatchObject({ unsent: 0, rejected: 0 });
  });

  test("a link that is down for a moment brings what has changed meanwhile", async () => {
    const { stage, a, b } = await two();
    await stage.pass(1_000);
    stage.wire.cut(b.relay.node, true);
    a.change("tea", "ann", entry("bob"));
    b.change("tea", entry("cid"));
    await stage.pass(1_000);
    stage.wire.mend(b.relay.node);
    await stage.settle();
    expect([a.keys("tea"), b.keys("tea")]).toEqual([["cid"], ["bob"]]);
    expect(b.changes.slice(1)).toEqual([{ at: 2_000, room: "tea", keys: ["ann", "bob"] }]);
  });

  test("a room that has emptied and filled again begins from 0, which everybody can apply", async () => {
    const { stage, a, b } = await two();
    a.change("tea", "ann");
    await stage.settle();
    stage.wire.isLost = () => true;
    a.change("tea", entry("bob"));
    await stage.settle();
    a.change("tea", "bob");
    await stage.settle();
    stage.wire.isLost = () => false;
    stage.wire.takePresence();
    a.change("tea", entry("cid"));
    await stage.settle();
    a.change("tea", entry("dot"));
    await stage.settle();
    expect(stage.wire.takePresence().flatMap(messagesIn)).toMatchObject([
      { type: "delta", from: 0, to: 5 },
      { type: "delta", from: 5, to: 6 },
    ]);
    expect(b.keys("tea")).toEqual(["cid", "dot"]);
    expect(b.copies("tea")).toEqual({ [a.relay.node]: { cid: entry("cid"), dot: entry("dot") } });
  });

  test("an entry that comes and goes within a turn of an empty room is no news", async () => {
    const { stage, a } = await two();
    a.change("milk", "moo");
    await stage.settle();
    expect(stage.wire.takePresence()).toEqual([]);
  });

  test("after the last member has left, copies go without a word; whoever comes back asks again", async () => {
    const { stage, a, b } = await two();
    b.leave("tea");
    expect(b.copies("tea")).toEqual({});
    await stage.settle();
    a.change("tea", entry("bob"));
    await stage.settle();
    expect([b.copies("tea"), b.changes.length]).toEqual([{}, 1]);
    b.enter("tea");
    await stage.settle();
    expect(b.keys("tea")).toEqual(["ann", "bob"]);
  });

  test("a room that empties and fills within a turn keeps its subscription, and asks again", async () => {
    const { stage, b } = await two();
    b.leave("tea");
    b.enter("tea");
    await stage.settle();
    expect(b.keys("tea")).toEqual(["ann"]);
    expect(typesOf(stage.wire.takePresence())).toEqual(["askAll", "answer"]);
  });

  test("a large state travels in packets of at most 64 KiB, and counts when complete", async () => {
    const { stage, a, b } = await two();
    const info = "x".repeat(200);
    const crowd = Array.from({ length: 2_000 }, (_, index) => entry(`k${index}`, { info, infoAt: index }));
    a.change("tea", ...crowd);
    await stage.settle();
    expect(b.keys("tea")).toHaveLength(2_001);
    b.leave("tea");
    await stage.settle();
    b.changes.length = 0;
    // The third part of the first answer is lost.
    let parts = 0;
    stage.wire.isLost = ({ subject }) => subject === subjectOfNode(b.relay.node) && ++parts === 3;
    stage.wire.takePresence();
    b.enter("tea");
    await stage.settle();
    expect(parts).toBeGreaterThan(5);
    expect(b.changes).toEqual([]);
    await stage.pass(10_000);
    expect(b.changes).toHaveLength(1);
    expect(b.copies("tea")[a.relay.node]?.k1999).toEqual(crowd[1_999]);
    expect(b.keys("tea")).toHaveLength(2_001);
    for (const { bytes } of stage.wire.takePresence()) expect(bytes.length).toBeLessThanOrEqual(65_536);
  });

  test("a turn's changes are one packet for each node and room, apart from the packets of users", async () => {
    const { stage, a, b } = await two();
    for (const room of ["milk", "ale"]) for (const node of [a, b]) node.enter(room);
    await stage.settle();
    for (let turn = 0; turn < 20; turn++) {
      stage.wire.takePresence();
      for (const room of ["tea", "milk", "ale"]) {
        a.bus.publish(encodeFrame("before"), [room], undefined);
        const keys = Array.from({ length: 100 }, (_, index) => entry(`${turn}-${index}`, { infoAt: turn }));
        a.change(room, ...keys);
        a.bus.publish(encodeFrame("after"), [room], undefined);
      }
      await stage.settle();
      const subjects = stage.wire.sent.filter(({ isPresence }) => isPresence).map(({ subject }) => subject);
      expect(subjects).toEqual([TEA, subjectOf("%2F", "milk"), subjectOf("%2F", "ale")]);
      for (const { bytes } of stage.wire.sent) {
        const packet = readPacket(bytes);
        if ("problem" in packet) throw new Error(packet.problem);
        expect(new Set(packet.envelopes.map(({ extension }) => extension === undefined)).size).toBe(1);
      }
    }
    expect(b.keys("tea")).toHaveLength(2_001);
    expect(b.delivered).toHaveLength(120);
  });

  test("a node that has started again is another node; what it had before goes when it has been unheard", async () => {
    const { stage, a, b } = await two();
    stage.wire.cut(a.relay.node, false);
    await stage.pass(1_000);
    const again = await stage.add();
    again.enter("tea");
    again.change("tea", entry("ann", { since: 1_000 }));
    await stage.settle();
    expect(Object.keys(b.copies("tea"))).toEqual([a.relay.node, again.relay.node]);
    await stage.pass(40_000);
    expect(b.copies("tea")).toEqual({ [again.relay.node]: { ann: entry("ann", { since: 1_000 }) } });
  });

  test("a node without presence skips what it does not need, and loses no message of a user", async () => {
    const { stage, a, b } = await two();
    const plain = await stage.add(false);
    plain.enter("tea");
    await stage.settle();
    for (let i = 0; i < 10; i++) {
      a.bus.publish(encodeFrame(`m${i}`), ["tea"], undefined);
      b.change("tea", entry(`k${i}`));
      a.change("tea", entry(`k${i}`));
      await stage.settle();
    }
    await stage.pass(60_000);
    expect(plain.delivered).toEqual(Array.from({ length: 10 }, (_, index) => `m${index}`));
    expect(plain.relay.stats()).toMatchObject({ rejected: 0, missed: 0, published: 0 });
    expect(plain.relay.stats().received).toBeGreaterThan(30);
  });

  test("a node of the version before extensions rejects packets of presence, and loses no message of a user", async () => {
    const { stage, a } = await two();
    const old = await stage.add(false);
    old.enter("tea");
    await stage.settle();
    // Such a node takes a flag that it does not know for garbage, as flag 32 is today.
    stage.wire.change = ({ isPresence, bytes }, to) => {
      if (!isPresence || to !== old.relay.node) return bytes;
      const unknown = Uint8Array.from(bytes);
      unknown[19] = 32;
      return unknown;
    };
    for (let i = 0; i < 10; i++) {
      a.bus.publish(encodeFrame(`m${i}`), ["tea"], undefined);
      a.change("tea", entry(`k${i}`));
      a.bus.publish(encodeFrame(`n${i}`), ["tea"], undefined);
      await stage.settle();
    }
    expect(old.delivered).toEqual(Array.from({ length: 20 }, (_, index) => `${index % 2 ? "n" : "m"}${index >> 1}`));
    expect(old.relay.stats()).toMatchObject({ rejected: 10, received: 20 });
    expect(old.log.at("warn").map(([text]) => text)).toContain(
      "an unexpected packet was rejected; further ones are only counted",
    );
  });

  test("without presence there is no packet and no timer", async () => {
    const stage = new Stage();
    for (let i = 0; i < 2; i++) await stage.add(false);
    for (const node of stage.nodes) node.enter("tea");
    await stage.settle();
    expect(stage.clock.alarms).toBe(0);
    stage.node(0).bus.publish(encodeFrame("hi"), ["tea"], undefined);
    await stage.pass(100_000);
    expect(stage.node(1).delivered).toEqual(["hi"]);
    expect(stage.wire.sent).toHaveLength(1);
  });

  test("with presence, and nobody present, there is no packet but a question for each room, and no timer", async () => {
    const stage = await Stage.of(2);
    for (const node of stage.nodes) node.enter("tea");
    await stage.pass(100_000);
    expect(typesOf(stage.wire.takePresence())).toEqual(["askAll", "askAll"]);
    expect(stage.clock.alarms).toBe(0);
  });

  test("a minute after the last entry has gone nothing is sent any more, and time comes to rest", async () => {
    const { stage, a, b } = await two();
    await stage.pass(100_000);
    a.change("tea", "ann");
    await stage.pass(110_000);
    stage.wire.takePresence();
    expect(stage.clock.alarms).toBe(0);
    a.change("tea", entry("bob"));
    await stage.settle();
    expect(b.keys("tea")).toEqual(["bob"]);
  });
});

describe("extensions of other nodes", () => {
  const stranger = { node: "ffffffffffff", stream: 1, first: 0 };

  /** What node b of the stage takes in. */
  async function take(
    subject: string,
    ...texts: readonly (string | { kind: number })[]
  ): Promise<{ b: StageNode; a: StageNode }> {
    const { stage, a, b } = await two();
    const envelopes = texts.map((text) =>
      measure({
        isBinary: false,
        payload: Buffer.from(typeof text === "string" && !text.startsWith("{") ? text : ""),
        ...(subject === subjectOfNode(b.relay.node) && { target: `${b.relay.node}.presence`, scope: "%2F" }),
        ...(typeof text === "string" &&
          text.startsWith("{") && { extension: { kind: PRESENCE, bytes: Buffer.from(text) } }),
        ...(typeof text === "object" && { extension: { kind: text.kind, bytes: Buffer.from("?") } }),
      }),
    );
    stage.wire.inject(b.relay.node, subject, writePacket(stranger, envelopes));
    await stage.settle();
    return { a, b };
  }

  test("an extension of an unknown kind is skipped and counts as received, and what follows is read", async () => {
    const { b } = await take(TEA, { kind: 3 }, "hello", { kind: 255 });
    expect(b.delivered).toEqual(["hello"]);
    // The question and the entry of the other node came before.
    expect(b.relay.stats()).toMatchObject({ received: 2 + 3, rejected: 0, missed: 0 });
  });

  test.each([
    ["room", TEA, '{"type":"nonsense"}'],
    ["room", TEA, "{"],
    ["room", TEA, '{"type":"goodbye"}'],
    ["room", TEA, '{"type":"beat","beat":1,"at":1,"rooms":[]}'],
    ["bus", BUS, '{"type":"delta","from":0,"to":1,"set":[],"gone":[]}'],
    ["node", subjectOfNode("000000000002"), '{"type":"goodbye"}'],
    ["node", subjectOfNode("000000000002"), '{"type":"askAll","known":{}}'],
  ])("on the subject of a %s (%s) %j is garbage, and what follows is read", async (place, subject, text) => {
    const { b } = await take(subject, text, ...(place === "node" ? [] : ["hello"]));
    expect(b.relay.stats().rejected).toBe(1);
    expect(b.delivered).toEqual(place === "node" ? [] : ["hello"]);
    expect(b.keys("tea")).toEqual(["ann"]);
  });

  test("an extension on the subject of a node which is for another node is garbage", async () => {
    const { stage, b } = await two();
    const bytes = Buffer.from('{"type":"ask","rooms":[["tea",-1]]}');
    for (const target of [undefined, "000000000001.presence", `${b.relay.node}.other`]) {
      const envelope = measure({
        isBinary: true,
        payload: bytes.subarray(0, 0),
        target,
        extension: { kind: PRESENCE, bytes },
      });
      const before = b.relay.stats().rejected;
      stage.wire.inject(
        b.relay.node,
        subjectOfNode(b.relay.node),
        writePacket({ ...stranger, stream: before + 1 }, [envelope]),
      );
      await stage.settle();
      expect(b.relay.stats().rejected, target).toBe(before + 1);
    }
  });

  test("an info that is nested too deeply to be sent on is null", async () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const { b } = await take(
      TEA,
      `{"type":"delta","from":0,"to":1,"set":[["deep",${deep},0,false,0,1,false]],"gone":[]}`,
    );
    expect(b.copies("tea")[stranger.node]).toEqual({ deep: entry("deep") });
  });

  test("the largest numbers of a broken node change nothing for the others", async () => {
    const most = Number.MAX_SAFE_INTEGER;
    const { b } = await take(
      TEA,
      `{"type":"delta","from":0,"to":${most},"set":[["mad",null,1e308,true,0,${most},false]],"gone":["ann","__proto__"]}`,
    );
    expect(b.keys("tea")).toEqual(["ann", "mad"]);
    expect(b.relay.stats().rejected).toBe(0);
  });
});
