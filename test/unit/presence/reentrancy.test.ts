/** Presence whose callbacks change what is going on: each may join, leave, show, close and ask, on the stack of another verb. */
import type { Connection, PresenceOptions } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { heard, start } from "./stage.js";

type Act = (connection: Connection) => unknown;

/** What a callback may do to the connection that is about to join. */
const ENDS: readonly [what: string, act: Act][] = [
  ["closes the connection", (connection) => connection.close()],
  ["terminates the connection", (connection) => connection.terminate()],
  ["lets the connection leave", (connection) => connection.leave("hall")],
];

/** The options whose `key` or `info` acts on the connection of the name "bob", once. */
function acting(where: "key" | "info", act: Act): Partial<PresenceOptions> {
  let isDone = false;
  const once = (connection: Connection): string => {
    const name = connection.query.get("name") ?? "?";
    if (name !== "bob" || isDone) return name;
    isDone = true;
    act(connection);
    return name;
  };
  return { graceMs: 0, [where]: once };
}

describe("a join in which a callback acts", () => {
  const cases = (["key", "info"] as const).flatMap((where) => ENDS.map(([what, act]) => [where, what, act] as const));

  test.each(cases)("leaves nobody behind if %s %s", async (where, _what, act) => {
    const stage = start(acting(where, act));
    const { server, runtime } = stage;
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob");
    const answers: unknown[] = [];
    await stage.run(bob, (connection) => answers.push(connection.join("hall"), connection.rooms.has("hall")));
    expect(answers).toEqual([false, false]);
    expect(server.members("hall").map(({ id }) => id)).toEqual([ann.id]);
    expect(server.present("hall").map(({ key }) => key)).toEqual(["ann"]);
    expect(heard(ann)).toEqual([]);
    bob.close();
    ann.close();
    await runtime.settle();
    expect(server.rooms()).toEqual([]);
    expect(server.present("hall")).toEqual([]);
  });

  test.each(["key", "info"] as const)("is a single one if %s lets the connection leave and join", async (where) => {
    const stage = start(
      acting(where, (connection) => {
        connection.leave("hall");
        connection.join("hall");
      }),
    );
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    expect(stage.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", connections: 1 }]);
    expect(ann.received.length).toBe(1);
    await stage.run(bob, (connection) => connection.leave("hall"));
    expect(stage.server.members("hall").map(({ id }) => id)).toEqual([ann.id]);
    expect(stage.server.presentCount("hall")).toEqual({ keys: 1, connections: 1 });
  });

  test("counts what info shows by connection.show, rather than what info returns", async () => {
    const stage = start({
      info(connection) {
        connection.show("shown");
        return "returned";
      },
    });
    await stage.connect("ann", "hall");
    expect(stage.server.present("hall")).toMatchObject([{ info: "shown" }]);
  });

  test("may ask for the list, which the connection is not in yet", async () => {
    const lists: string[][] = [];
    const stage = start({
      key(connection) {
        lists.push(stage.server.present("hall").map(({ key }) => key));
        return connection.query.get("name") ?? "?";
      },
    });
    await stage.connect("ann", "hall");
    await stage.connect("bob", "hall");
    expect(lists).toEqual([[], ["ann"]]);
  });

  test("closes the connection alone once key has failed too often", async () => {
    const stage = start({
      key() {
        throw new Error("no key");
      },
    });
    const ann = await stage.connect("ann");
    const bob = await stage.connect("bob", "hall");
    for (const room of ["a", "b", "c", "d"]) await stage.run(ann, (connection) => connection.join(room));
    expect(ann.closed).toMatchObject({ code: 1011 });
    expect(bob.closed).toBeUndefined();
    expect(stage.server.rooms()).toEqual(["hall"]);
    expect(stage.server.present("d")).toEqual([]);
  });
});

describe("a notice whose function acts", () => {
  /** A stage whose `notice` acts once on the connection of bob, at the first notice of the type. */
  function noticing(type: string, act: (connection: Connection) => unknown) {
    let isDone = false;
    const stage = start({
      graceMs: 0,
      notice(notice) {
        const bob = stage.server.connections().find(({ query }) => query.get("name") === "bob");
        const isOfBob = notice.type === "count" || notice.key === "bob";
        if (notice.type === type && !isOfBob && !isDone && bob !== undefined) {
          isDone = true;
          act(bob);
        }
        return JSON.stringify(notice);
      },
    });
    return stage;
  }

  test.each<[what: string, act: Act]>([
    ["joins the room that it leaves", (connection) => connection.join("hall")],
    ["leaves the room that it leaves", (connection) => connection.leave("hall")],
    ["closes", (connection) => connection.close()],
    ["leaves and joins", (connection) => [connection.leave("hall"), connection.join("hall")]],
  ])("before a connection leaves changes nothing of the leaving: the connection %s", async (_what, act) => {
    const stage = noticing("changed", act);
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    await stage.run(bob, (connection, bus) => {
      bus.members("hall")[0]?.show("news");
      connection.leave("hall");
      expect(connection.rooms.has("hall")).toBe(false);
    });
    expect(stage.server.members("hall").map(({ id }) => id)).toEqual([ann.id]);
    expect(stage.server.present("hall")).toMatchObject([{ key: "ann", info: "news" }]);
    expect(stage.server.stats().failures).toEqual([]);
  });

  test("may close the member that it is told to", async () => {
    const stage = noticing("joined", (connection) => connection.terminate());
    const bob = await stage.connect("bob", "hall");
    const ann = await stage.connect("ann", "hall");
    await stage.runtime.settle();
    expect(bob.closed).toBeDefined();
    expect(heard(ann)).toEqual(["left bob 1"]);
    expect(stage.server.present("hall").map(({ key }) => key)).toEqual(["ann"]);
  });

  test("and shows something new each time ends the turn, and the read of the list, all the same", async () => {
    let shown = 0;
    const stage = start({
      notice(notice) {
        if (shown < 1_000) for (const member of stage.server.members("hall")) member.show(shown++);
        return JSON.stringify(notice);
      },
    });
    const ann = await stage.connect("ann", "hall");
    await stage.connect("bob", "hall");
    const infos: unknown[] = [];
    shown = 0;
    await stage.run(ann, (connection, bus) => {
      connection.show("begin");
      infos.push(...bus.present("hall").map(({ info }) => info));
      infos.push(shown < 1_000);
    });
    expect(infos).toEqual(["begin", null, true]);
  });

  test("may let others join, whose list and notices make the list of later", async () => {
    const stage = start({
      notice(notice) {
        if (notice.type === "joined" && notice.key === "bob") {
          const cid = stage.server.connections().find(({ query }) => query.get("name") === "cid");
          cid?.join("hall");
        }
        return JSON.stringify(notice);
      },
    });
    const ann = await stage.connect("ann", "hall");
    const cid = await stage.connect("cid");
    await stage.connect("bob", "hall");
    expect(heard(ann)).toEqual(["joined bob 2", "joined cid 3"]);
    expect(heard(cid)).toEqual(["joined bob 2"]);
    expect(stage.server.present("hall").map(({ key }) => key)).toEqual(["ann", "bob", "cid"]);
  });
});

test("an event of presence may let the handler join, leave, show and close", async () => {
  await using runtime = createTestRuntime({
    presence: { graceMs: 0, key: ({ query }) => query.get("name") ?? "?", notice: (notice) => JSON.stringify(notice) },
    handler(event, bus) {
      if (event.type === "open") event.connection.join("hall");
      const ann = bus.connections().find(({ query }) => query.get("name") === "ann");
      if (event.type === "joined" && event.key === "bob") ann?.show("welcome");
      if (event.type === "changed") ann?.leave("hall");
      if (event.type === "left") ann?.close();
    },
  });
  const ann = await runtime.connect({ path: "/?name=ann" });
  const bob = await runtime.connect({ path: "/?name=bob" });
  await runtime.settle();
  expect(ann.closed).toMatchObject({ code: 1000 });
  expect(heard(bob)).toEqual(['changed ann "welcome" 2', 'left ann "welcome" 1']);
});
