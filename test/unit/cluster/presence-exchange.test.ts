/** Presence between nodes: what each node tells of its entries, over the cluster in memory, in virtual time. */
import { describe, expect, test } from "vitest";
import { entry, Stage } from "./presence-stage.js";

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
});
