/** Presence on one node: who is in a room, and who hears of it, in virtual time. */
import type { Connection, ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { heard, start } from "./stage.js";

describe("keys", () => {
  test("are listed by the time of coming, with their connections", async () => {
    const stage = start();
    const { runtime, server } = stage;
    await stage.connect("ann", "hall");
    await runtime.advance(10);
    await stage.connect("bob", "hall");
    await stage.connect("bob", "hall");
    const [ann, second] = server.present("hall");
    expect(ann).toEqual({ key: "ann", info: null, connections: 1, away: false, since: expect.any(Number) });
    expect(second).toEqual({ key: "bob", info: null, connections: 2, away: false, since: (ann?.since ?? 0) + 10 });
    expect(server.presentCount("hall")).toEqual({ keys: 2, connections: 3 });
    expect(server.present("cellar")).toEqual([]);
    expect(server.presentCount("cellar")).toEqual({ keys: 0, connections: 0 });
  });

  test("are ids of connections by default", async () => {
    await using runtime = createTestRuntime({
      presence: true,
      handler: (event) => event.type === "open" && event.connection.join("hall"),
    });
    const client = await runtime.connect();
    expect(runtime.server.present("hall")).toMatchObject([{ key: client.id, info: null, connections: 1 }]);
  });
});

describe("notices", () => {
  test("tell the other members that a key has come, shows something else, and has gone for graceMs", async () => {
    const stage = start();
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    await stage.run(bob, (connection) => connection.show({ typing: true }));
    bob.close();
    await stage.runtime.settle();
    await stage.runtime.advance(4_999);
    expect(heard(ann)).toEqual(["joined bob 2", 'changed bob {"typing":true} 2']);
    expect(stage.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", connections: 0, away: false }]);
    await stage.runtime.advance(1);
    expect(heard(ann)).toEqual(["joined bob 2", 'changed bob {"typing":true} 2', 'left bob {"typing":true} 1']);
    expect(heard(bob)).toEqual([]);
    expect(stage.events.map(({ type, key, count, isLocal }) => [type, key, count, isLocal])).toEqual([
      ["joined", "ann", 1, true],
      ["joined", "bob", 2, true],
      ["changed", "bob", 2, true],
      ["left", "bob", 1, true],
    ]);
  });

  test("say nothing of a second tab that comes and goes, nor of a reload", async () => {
    const stage = start();
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    const tab = await stage.connect("bob", "hall");
    tab.close();
    await stage.runtime.advance(10_000);
    bob.close();
    await stage.runtime.advance(4_999);
    await stage.connect("bob", "hall");
    await stage.runtime.advance(60_000);
    expect(heard(ann)).toEqual(["joined bob 2"]);
    expect(stage.events.map(({ type, key }) => `${type} ${key}`)).toEqual(["joined ann", "joined bob"]);
  });

  test("are told once a turn: the last info counts, and what comes and goes at once is no news", async () => {
    const stage = start({ graceMs: 0 });
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    await stage.run(bob, (connection) => {
      for (let i = 0; i < 100; i++) connection.show(i);
    });
    await stage.run(bob, (connection) => {
      connection.leave("hall");
      connection.join("hall");
    });
    expect(heard(ann)).toEqual(["joined bob 2", "changed bob 99 2"]);
  });

  test("go out before somebody joins, and before the list is read", async () => {
    const stage = start();
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob");
    const cid = await stage.connect("cid");
    await stage.run(bob, (connection, bus) => {
      connection.join("hall");
      bus.unicast("between", ann.id);
      connection.show("here");
      bus.join(cid.id, "hall");
      bus.unicast(JSON.stringify({ type: "list", count: bus.present("hall").length }), cid.id);
      connection.show("there");
    });
    expect(heard({ received: ann.received.filter((text) => text !== "between") })).toEqual([
      'joined bob "here" 2',
      "joined cid 3",
      'changed bob "there" 3',
    ]);
    expect(heard(cid)).toEqual(["list 3", 'changed bob "there" 3']);
    expect(heard(bob)).toEqual(["joined cid 3"]);
  });

  test("that are not wanted are left out, bytes are sent as bytes, and nothing is sent without the option", async () => {
    const stage = start({ notice: ({ type }) => (type === "left" ? Buffer.from([7]) : undefined), graceMs: 0 });
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    bob.close();
    await stage.runtime.settle();
    expect(ann.received).toEqual([Buffer.from([7])]);
  });
});

describe("a room with more keys than maxListed", () => {
  test("has counts, at most one a second, until its last member has left", async () => {
    const stage = start({ maxListed: 2, graceMs: 0 });
    const ann = await stage.connect("ann", "hall");
    const others = [];
    for (const name of ["bob", "cid", "dan", "eve"]) others.push(await stage.connect(name, "hall"));
    expect(heard(ann)).toEqual(["joined bob 2", "count 3"]);
    await stage.runtime.advance(1_000);
    expect(heard(ann)).toEqual(["joined bob 2", "count 3", "count 5"]);
    expect(stage.server.present("hall").map(({ key }) => key)).toEqual(["ann", "bob"]);
    expect(stage.server.presentCount("hall")).toEqual({ keys: 5, connections: 5 });
    for (const other of others) other.close();
    await stage.runtime.advance(5_000);
    expect(heard(ann).at(-1)).toBe("count 1");
    await stage.connect("bob", "hall");
    await stage.runtime.advance(5_000);
    expect(heard(ann).at(-1)).toBe("count 2");
    expect(stage.events.filter(({ type }) => type === "joined").length).toBe(6);
    expect(stage.events.filter(({ type }) => type === "left").length).toBe(4);
  });
});

describe("connection.show", () => {
  test("says whether the info differs, counts in all rooms and at later joins", async () => {
    const stage = start({ info: () => "new" });
    const ann = await stage.connect("ann", "a", "b");
    const answers: unknown[] = [];
    await stage.run(ann, (connection, bus) => {
      answers.push(connection.show("new"), connection.show({ a: 1, b: undefined }), connection.show({ a: 1 }));
      connection.join("c");
      for (const room of ["a", "b", "c"]) answers.push(bus.present(room)[0]?.info);
    });
    expect(answers).toEqual([false, true, false, { a: 1 }, { a: 1 }, { a: 1 }]);
    const [present] = stage.server.present("a");
    expect(() => Object.assign(present?.info ?? {}, { a: 2 })).toThrow(TypeError);
  });

  test("by the program, in another event than the connection's own, is told to the connection as well", async () => {
    const stage = start();
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    await stage.run(bob, (_, bus) => {
      for (const member of bus.members("hall")) member.show("muted");
    });
    expect(heard(ann)).toEqual(["joined bob 2", 'changed ann "muted" 2', 'changed bob "muted" 2']);
    expect(heard(bob)).toEqual(['changed ann "muted" 2']);
  });

  test("of several tabs the latest counts, and the older one again once the latest has gone", async () => {
    const stage = start();
    const first = await stage.connect("ann", "hall");
    const second = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    await stage.run(second, (connection) => connection.show("second"));
    await stage.run(first, (connection) => connection.show("first"));
    first.close();
    await stage.runtime.settle();
    expect(heard(bob)).toEqual(['changed ann "second" 2', 'changed ann "first" 2', 'changed ann "second" 2']);
  });

  const cycle: unknown[] = [];
  cycle.push(cycle);
  test.each([
    ["a function", () => {}],
    ["undefined", undefined],
    ["a symbol", Symbol("x")],
    ["a number beyond JSON", { x: Number.NaN }],
    ["a date", { at: new Date(0) }],
    ["a map", new Map()],
    ["a big integer", 1n],
    ["a cycle", cycle],
    ["an empty place in a list", [undefined]],
    ["more than maxInfoBytes", "é".repeat(512)],
  ])("refuses %s with BAD_INFO, and the info of before stays", async (_, info) => {
    const stage = start({ info: () => "before" });
    const ann = await stage.connect("ann", "hall");
    await stage.run(ann, (connection) => {
      expect(() => connection.show(info as never)).toThrow(expect.objectContaining({ code: "BAD_INFO" }));
    });
    expect(stage.server.stats().failures).toEqual([]);
    expect(stage.server.present("hall")).toMatchObject([{ info: "before" }]);
  });

  test("of a connection that has gone does nothing", async () => {
    const stage = start();
    const ann = await stage.connect("ann", "hall");
    const bob = await stage.connect("bob", "hall");
    let gone: Connection | undefined;
    await stage.run(ann, (connection) => {
      gone = connection;
    });
    ann.close();
    await stage.runtime.settle();
    expect(gone?.show("late")).toBe(false);
    await stage.runtime.settle();
    expect(heard(bob)).toEqual([]);
  });
});

describe("failures", () => {
  const failure = (what: string) => expect.objectContaining({ event: what });

  test("in key and info are noted, and the join holds, with the id and null", async () => {
    const stage = start({
      key: () => "",
      info: () => {
        throw new Error("no info");
      },
    });
    const ann = await stage.connect("ann", "hall");
    expect(stage.server.present("hall")).toMatchObject([{ key: ann.id, info: null }]);
    expect(stage.server.stats().failures).toEqual([failure("presence.key"), failure("presence.info")]);
  });

  test("in notice and in the events are charged to the connection that caused the change, and close nobody else", async () => {
    await using runtime = createTestRuntime({
      supervise: { intensity: 1 },
      presence: {
        graceMs: 0,
        notice({ type }) {
          if (type === "changed") throw new Error("no notice");
          return type;
        },
      },
      handler(event) {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "message") event.connection.show(event.text);
        if (event.type === "changed") throw new Error("no changes");
      },
    });
    const ann = await runtime.connect();
    const bob = await runtime.connect();
    bob.send("1");
    await expect(runtime.settle()).rejects.toThrow();
    expect(bob.closed).toMatchObject({ code: 1011 });
    expect(ann.closed).toBeUndefined();
  });
});

test("an away connection stays present until its session ends", async () => {
  await using runtime = createTestRuntime({
    resume: { graceMs: 20_000 },
    presence: { key: () => "ann" },
    handler: (event) => event.type === "open" && event.connection.join("hall"),
  });
  const ann = runtime.dial("/", { reconnect: { minMs: 1_000, jitter: 0 } });
  await runtime.settle();
  ann.disconnect();
  await runtime.settle();
  expect(runtime.server.present("hall")).toMatchObject([{ connections: 1, away: true }]);
  await runtime.advance(1_000);
  expect(runtime.server.present("hall")).toMatchObject([{ connections: 1, away: false }]);
});

test("each channel has presence of its own, and notices come on the channel", async () => {
  const { channels } = await import("sendall");
  const noticed: string[] = [];
  const join = (event: ServerEvent) => {
    if (event.type === "open") event.connection.join("hall");
    if (event.type === "joined") noticed.push(event.key);
  };
  await using runtime = createTestRuntime({
    presence: { notice: ({ type }) => type },
    handler: channels({ a: join, b: join }),
  });
  const ann = await runtime.connect();
  const bob = await runtime.connect();
  for (const client of [ann, bob]) client.send("sub,a");
  bob.send("sub,b");
  await runtime.settle();
  expect(ann.received).toEqual(["msg,a,joined"]);
  expect(bob.received).toEqual([]);
  expect(new Set(noticed).size).toBe(3);
});

test("a server without presence says what to do, and so does one with several routes", async () => {
  await using plain = createTestRuntime({ handler() {} });
  expect(() => plain.server.present("hall")).toThrow(expect.objectContaining({ code: "NO_PRESENCE" }));
  await using several = createTestRuntime({
    presence: true,
    routes: { "/a": { handler() {} }, "/b": { handler() {} } },
  });
  expect(() => several.server.present("hall")).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  expect(several.server.route("/a").present("hall")).toEqual([]);
  expect(() => several.server.route("/a").presentCount("")).toThrow(expect.objectContaining({ code: "BAD_ROOM" }));
});
