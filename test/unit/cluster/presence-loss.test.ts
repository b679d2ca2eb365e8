/** Presence between nodes over an engine that loses packets: whatever is lost, every node soon knows every owner's entries again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PresenceEntry } from "../../../src/cluster/presence/shared-presence.js";
import { SeededRandom } from "../../../src/testing/runtime/random.js";
import { entry, Stage, type StageNode, Wire } from "./presence-stage.js";

const ROOMS = ["tea", "milk", "ale"];
const BEAT_MS = 10_000;

type Copies = Record<string, Record<string, Record<string, PresenceEntry>>>;

/** What the node should know: by room with members, by other node with entries. */
function truthFor(node: StageNode, nodes: readonly StageNode[]): Copies {
  const of = (room: string) =>
    nodes
      .filter((other) => other !== node && (other.entries.get(room)?.size ?? 0) > 0)
      .map((other) => [other.relay.node, Object.fromEntries(other.entries.get(room) ?? [])]);
  return Object.fromEntries([...node.members].sort().map((room) => [room, Object.fromEntries(of(room))]));
}

function knownTo(node: StageNode): Copies {
  return Object.fromEntries([...node.members].sort().map((room) => [room, node.copies(room)]));
}

function expectTruth({ nodes }: Stage): void {
  for (const node of nodes) expect(knownTo(node), node.relay.node).toEqual(truthFor(node, nodes));
}

/** Entries as the listener of a node has been told of them: keys by room and other node. */
function replay(node: StageNode): Map<string, Map<string, string>> {
  const told = new Map<string, Map<string, string>>();
  node.onCopiesChanged = (room, keys) => {
    const known = told.get(room) ?? new Map<string, string>();
    told.set(room, known);
    for (const key of keys) {
      const now = [...node.presence.copiesOf(room)].flatMap(({ node: owner, entries }) => {
        const copy = entries.get(key);
        return copy === undefined ? [] : [[owner, copy]];
      });
      if (now.length === 0) known.delete(key);
      else known.set(key, JSON.stringify(now));
    }
  };
  const { forget } = node.presence;
  node.presence.forget = (room) => {
    told.delete(room);
    forget.call(node.presence, room);
  };
  return told;
}

/** What a listener should have been told. */
function tellable(node: StageNode): Map<string, Map<string, string>> {
  const rooms = [...node.members].map((room) => {
    const byKey = new Map<string, [string, PresenceEntry][]>();
    for (const { node: owner, entries } of node.presence.copiesOf(room))
      for (const [key, copy] of entries) byKey.set(key, [...(byKey.get(key) ?? []), [owner, copy]]);
    return [room, new Map([...byKey].map(([key, copies]) => [key, JSON.stringify(copies)]))] as const;
  });
  return new Map(rooms.filter(([, keys]) => keys.size > 0));
}

describe("presence over an engine that loses packets", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "a tenth lost, and the last packet of a burst, heals within two beats (seed %i)",
    async (seed) => {
      const random = new SeededRandom(seed);
      const stage = await Stage.of(3);
      stage.wire.isLost = () => random.fraction() < 0.1;
      for (const node of stage.nodes) for (const room of ROOMS) node.enter(room);
      for (let step = 0; step < 200; step++) {
        const node = stage.node(random.below(3));
        const room = ROOMS[random.below(3)] ?? "";
        const key = `k${random.below(10)}`;
        node.change(room, random.below(3) === 0 ? key : entry(key, { infoAt: step, info: { step } }));
        await stage.pass(random.below(100));
      }
      stage.wire.isLost = () => true;
      for (const node of stage.nodes) node.change("tea", entry("last"));
      await stage.settle();
      stage.wire.isLost = () => random.fraction() < 0.1;
      // Two beats, and a second for a question that was lost.
      await stage.pass(2 * BEAT_MS + 1_000);
      expectTruth(stage);
    },
  );

  test("whatever three nodes do, and whatever is lost: after three beats without loss each node knows every owner's entries, and was told", async () => {
    const nodes = fc.nat({ max: 2 });
    const rooms = fc.constantFrom(...ROOMS);
    const keys = fc.constantFrom("ann", "bob", "cid");
    const steps = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant("set"), node: nodes, room: rooms, key: keys }) },
      { weight: 4, arbitrary: fc.record({ type: fc.constant("delete"), node: nodes, room: rooms, key: keys }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("enter"), node: nodes, room: rooms }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("leave"), node: nodes, room: rooms }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("cut"), node: nodes, noticed: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("mend"), node: nodes }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant("pass"), ms: fc.constantFrom(0, 1, 700, 9_000, 45_000) }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant("settle") }) },
    );
    const property = fc.asyncProperty(
      fc.array(steps, { maxLength: 60 }),
      fc.nat(),
      fc.constantFrom(0, 0.1, 0.4),
      fc.constantFrom(undefined, 1_200),
      async (some, seed, loss, maxPacketBytes) => {
        const random = new SeededRandom(seed);
        const stage = await Stage.of(3, new Wire(maxPacketBytes));
        const told = stage.nodes.map(replay);
        stage.wire.isLost = () => random.fraction() < loss;
        let step = 0;
        for (const one of some) {
          step++;
          const node = stage.node("node" in one ? one.node : 0);
          if (one.type === "pass" && "ms" in one) await stage.pass(one.ms);
          else if (one.type === "settle") await stage.settle();
          else if (one.type === "cut" && "noticed" in one) stage.wire.cut(node.relay.node, one.noticed);
          else if (one.type === "mend") stage.wire.mend(node.relay.node);
          else if ("key" in one)
            node.change(one.room, one.type === "set" ? entry(one.key, { infoAt: step, info: [step] }) : one.key);
          else if ("room" in one) {
            if (one.type === "enter" && !node.members.has(one.room)) node.enter(one.room);
            if (one.type === "leave" && node.members.has(one.room)) node.leave(one.room);
          }
        }
        stage.wire.isLost = () => false;
        for (const node of stage.nodes) stage.wire.mend(node.relay.node);
        await stage.pass(3 * BEAT_MS + 2_000);
        expectTruth(stage);
        expect(told.map((each) => new Map([...each].filter(([, keysTold]) => keysTold.size > 0)))).toEqual(
          stage.nodes.map(tellable),
        );
        for (const { presence } of stage.nodes) presence.stop();
        await stage.settle();
        await stage.pass(32_000);
        expect(stage.clock.alarms).toBe(0);
      },
    );
    await fc.assert(property, { numRuns: Number(process.env.SENDALL_RUNS ?? 300) });
  }, 120_000);
});
