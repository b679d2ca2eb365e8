/** Presence at its limits: a slow handler, crowds, long and no graces, sessions, the ends of routes and servers, and what watches a server. */
import type { ServerEvent } from "sendall";
import { metrics } from "sendall/metrics";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { recordSteps } from "../actors/trace-recorder.js";
import { heard, start } from "./stage.js";

describe("news for a handler that is too slow for them", () => {
  test("wait outside of the mailbox, and are told in short: what came and went is none", async () => {
    const events: string[] = [];
    await using runtime = createTestRuntime({
      mailbox: { maxInfo: 2 },
      presence: {
        graceMs: 0,
        key: ({ query }) => query.get("name") ?? "?",
        notice: (notice) => JSON.stringify(notice),
      },
      async handler(event, bus) {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "message") await bus.sleep(10_000);
        if (event.type === "joined" || event.type === "left") events.push(`${event.type} ${event.key} ${event.count}`);
        if (event.type === "changed") events.push(`changed ${event.key} ${event.info}`);
      },
    });
    const { server } = runtime;
    const ann = await runtime.connect({ path: "/?name=ann" });
    const others = [];
    for (const name of ["bob", "cid", "dan"]) others.push(await runtime.connect({ path: `/?name=${name}` }));
    await runtime.settle();
    events.length = 0;
    ann.send("sleep");
    await runtime.advance(1);
    for (let round = 0; round < 5; round++)
      for (const one of server.connections()) {
        one.show(round);
        await runtime.advance(1);
      }
    server.leave(others[0]?.id ?? "", "hall");
    await runtime.advance(1);
    server.join(others[0]?.id ?? "", "hall");
    server.leave(others[1]?.id ?? "", "hall");
    await runtime.advance(1);
    expect(server.stats().mailboxEvents).toBe(2);
    expect(heard({ received: ann.received.slice(-3) })).toEqual(["left bob 4 3", "joined bob 4 4", "left cid 4 3"]);
    await runtime.advance(11_000);
    // Two were in the mailbox already; of the rest the last counts.
    expect(events).toEqual([
      "changed ann 0",
      "changed bob 0",
      "changed ann 4",
      "changed dan 4",
      "changed bob 4",
      "left cid 3",
    ]);
    expect(server.stats().mailboxEvents).toBe(0);
  });
});

describe("a crowd", () => {
  test.each([0, 5_000])(
    "of 1,000 that closes at once is told of once each, to whoever stays: graceMs %i",
    async (graceMs) => {
      let notices = 0;
      const stage = start({
        graceMs,
        maxListed: 2_000,
        notice: (notice) => {
          if (notice.type === "left") notices++;
          return notice.type === "left" ? String(notice.count) : undefined;
        },
      });
      const { runtime, server } = stage;
      const ann = await stage.connect("ann", "hall");
      for (let i = 0; i < 1_000; i++) await runtime.connect({ path: `/?name=${i}` });
      for (const one of server.connections()) one.join("hall");
      await runtime.settle();
      await stage.run(ann, (connection, bus) => {
        for (const one of bus.members("hall")) if (one !== connection) one.close();
      });
      await runtime.advance(graceMs);
      expect(notices).toBe(1_000);
      expect(ann.received).toEqual(Array.from({ length: 1_000 }, (_, i) => String(1_000 - i)));
      expect(server.present("hall").map(({ key }) => key)).toEqual(["ann"]);
      expect(server.stats().deadLetters).toBe(0);
    },
  );

  test("beyond maxListed 0 has counts alone", async () => {
    const stage = start({ maxListed: 0, graceMs: 0 });
    const ann = await stage.connect("ann", "hall");
    await stage.connect("bob", "hall");
    await stage.runtime.advance(1_000);
    expect(heard(ann)).toEqual(["count 2"]);
    expect(stage.server.present("hall")).toEqual([]);
    expect(stage.server.presentCount("hall")).toEqual({ keys: 2, connections: 2 });
  });
});

test("a grace of years keeps the key, and no timer keeps the server from closing", async () => {
  const stage = start({ graceMs: 2 ** 40 }, { heartbeat: false });
  const ann = await stage.connect("ann", "hall");
  const bob = await stage.connect("bob", "hall");
  bob.close();
  await stage.runtime.settle();
  await stage.runtime.advance(365 * 86_400_000);
  expect(stage.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", connections: 0 }]);
  ann.close();
  await stage.runtime.settle();
  await stage.runtime.close();
  await stage.server.closed;
});

describe("the end", () => {
  test("of a server is told to nobody: all go at once", async () => {
    const told: string[] = [];
    const stage = start({
      graceMs: 0,
      notice({ type }) {
        told.push(type);
        return type;
      },
    });
    for (const name of ["ann", "bob", "cid"]) await stage.connect(name, "hall");
    told.length = 0;
    stage.events.length = 0;
    await stage.runtime.close();
    expect(told).toEqual([]);
    expect(stage.events).toEqual([]);
    expect(stage.server.present("hall")).toEqual([]);
  });

  test("of a route that has failed too often leaves nobody in its rooms", async () => {
    const handler = (event: ServerEvent): void => {
      if (event.type === "open") event.connection.join("hall");
      if (event.type === "info") throw new Error("thrown");
    };
    await using runtime = createTestRuntime({
      presence: { graceMs: 1_000 },
      supervise: { intensity: 0 },
      routes: { "/a": { handler }, "/b": { handler } },
    });
    const ann = await runtime.connect({ path: "/a" });
    await runtime.connect({ path: "/b" });
    const { server } = runtime;
    expect(server.route("/a").present("hall").length).toBe(1);
    server.route("/a").tell("fail");
    await runtime.settle().catch(() => {});
    expect(ann.closed).toMatchObject({ code: 1011 });
    expect(server.route("/a").present("hall")).toMatchObject([{ connections: 0 }]);
    await runtime.advance(1_000);
    expect(server.route("/a").present("hall")).toEqual([]);
    expect(server.route("/b").present("hall").length).toBe(1);
  });
});

describe("a session", () => {
  test("that expires leaves after its own grace and that of the key", async () => {
    const events: string[] = [];
    await using runtime = createTestRuntime({
      resume: { graceMs: 20_000 },
      presence: {
        graceMs: 5_000,
        key: ({ query }) => query.get("name") ?? "?",
        notice: (notice) => JSON.stringify(notice),
      },
      handler(event) {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "closed" || event.type === "left") events.push(event.type);
      },
    });
    const ann = await runtime.connect({ path: "/?name=ann" });
    const bob = runtime.dial("/?name=bob", { reconnect: { minMs: 600_000, maxMs: 600_000, jitter: 0 } });
    await runtime.settle();
    bob.disconnect();
    await runtime.advance(19_999);
    expect(runtime.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", away: true, connections: 1 }]);
    await runtime.advance(1);
    expect(events).toEqual(["closed"]);
    expect(runtime.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", away: false, connections: 0 }]);
    await runtime.advance(5_000);
    expect(events).toEqual(["closed", "left"]);
    expect(heard(ann)).toEqual(["joined bob 2", "left bob 1"]);
  });

  test("that is away hears what was told meanwhile, once it is back, and shows what it showed", async () => {
    await using runtime = createTestRuntime({
      resume: true,
      presence: { key: ({ query }) => query.get("name") ?? "?", notice: (notice) => JSON.stringify(notice) },
      handler(event) {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "message") event.connection.show(event.text);
      },
    });
    const bob = runtime.dial("/?name=bob", { reconnect: { minMs: 1_000, jitter: 0 } });
    await runtime.settle();
    bob.send("here");
    await runtime.settle();
    bob.disconnect();
    await runtime.settle();
    const ann = await runtime.connect({ path: "/?name=ann" });
    ann.send("hello");
    await runtime.settle();
    await runtime.advance(1_000);
    expect(heard(bob as never)).toEqual(["joined ann 2", 'changed ann "hello" 2']);
    expect(heard(ann)).toEqual([]);
    expect(runtime.server.present("hall")).toMatchObject([
      { key: "ann", info: "hello" },
      { key: "bob", info: "here", away: false },
    ]);
  });
});

test("news are counted, traced, shown and measured as other events without a connection", async () => {
  const steps = recordSteps();
  const inspected: string[] = [];
  await using runtime = createTestRuntime({
    presence: { graceMs: 0 },
    async handler(event, bus) {
      if (event.type === "open") event.connection.join("hall");
      if (event.type === "joined") await bus.sleep(1_000);
    },
  });
  const { server } = runtime;
  server.actor.system.inspect((seen) => {
    if (seen.type === "@xstate.event" && "type" in seen.event) inspected.push(String(seen.event.type));
  });
  const numbers = metrics(server, { histograms: true });
  await numbers.text();
  const ann = await runtime.connect();
  await runtime.advance(500);
  const snapshot = await runtime.server.snapshot({ top: 5 });
  expect(JSON.stringify(snapshot)).toContain("joined");
  await runtime.advance(500);
  ann.close();
  await runtime.settle();
  expect(
    steps.filter(({ step }) => step === "start").map(({ message }) => [message.event.type, message.connection?.id]),
  ).toEqual([
    ["open", ann.id],
    ["joined", undefined],
    ["left", undefined],
    ["closed", ann.id],
  ]);
  expect(inspected.filter((type) => type === "joined" || type === "left")).toEqual(["joined", "left"]);
  expect(await numbers.text()).toMatch(/sendall_handler_seconds_count\{[^}]*\} 4/);
});

test("to show null at first shows nothing that differs, unless presence.info has told something else", async () => {
  for (const [presence, differs] of [[{}, false] as const, [{ info: () => "new" }, true] as const]) {
    const stage = start(presence);
    const ann = await stage.connect("ann", "hall");
    const answers: unknown[] = [];
    await stage.run(ann, (connection) => {
      answers.push(connection.show(null), connection.show(1), connection.show(null));
    });
    expect(answers).toEqual([differs, true, true]);
  }
});
