/** The server around its routes: starting, the verbs over all of them, and the numbers. */
import type { Bus, ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { HandStage, Lines } from "../stage.js";

const collect = (events: unknown[]) => (event: ServerEvent) => {
  if (event.type === "info") events.push([event.data, event.connection?.id]);
};

describe("starting", () => {
  test("rejects with what init throws", async () => {
    const init = (): never => {
      throw new Error("no database");
    };
    await expect(HandStage.open({ handler: { init, handle() {} } })).rejects.toThrow("no database");
  });

  test("waits for init, and hands no event to the handler before", async () => {
    const order: string[] = [];
    const stage = await HandStage.open({
      handler: {
        async init(bus: Bus) {
          bus.tell("early");
          await null;
          order.push("init");
        },
        handle: (event: ServerEvent) => void order.push(event.type),
      },
    });
    await stage.settle();
    expect(order).toEqual(["init", "info"]);
  });

  test("is logged with the address", async () => {
    const logger = new Lines();
    await HandStage.open({ logger, handler() {} });
    expect(logger.at("info")).toEqual([["listening", { url: "ws://memory:0/" }]]);
  });

  test("goes through the states of the root actor", async () => {
    const stage = await HandStage.open({ handler() {} });
    const states: unknown[] = [stage.server.actor.getSnapshot().value];
    stage.server.actor.subscribe(({ value }) => states.push(value));
    void stage.server.close();
    await stage.settle();
    expect(states).toEqual(["listening", "draining", "closed"]);
  });
});

describe("admission", () => {
  test("refuses a path without a route with 404, and anybody with 503 while the server closes", async () => {
    const logger = new Lines();
    const stage = await HandStage.open({ logger, routes: { "/a": { handler() {} } } });
    expect(await stage.admit("/b?x=1")).toEqual({ status: 404, body: "there is no route /b" });
    void stage.server.close();
    expect(await stage.admit("/a")).toEqual({ status: 503, body: "the server is closing" });
  });

  test("counts and logs refusals", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({ logger, routes: { "/a": { handler() {} } } });
    await expect(runtime.connect({ path: "/b", query: { token: "secret" } })).rejects.toMatchObject({ status: 404 });
    expect(runtime.server.stats().refused).toBe(1);
    expect(runtime.server.route("/a").stats().refused).toBe(0);
    const details = { status: 404, reason: "there is no route /b", path: "/b", remoteAddress: "127.0.0.1" };
    expect(logger.at("info").at(-1)).toEqual(["upgrade refused", details]);
  });
});

describe("two routes", () => {
  const twoRoutes = (a: unknown[] = [], b: unknown[] = []) =>
    createTestRuntime({ routes: { "/a": { handler: collect(a) }, "/b": { handler: collect(b) } } });

  test("do not see each other's connections and rooms, but the server sees both", async () => {
    await using runtime = twoRoutes();
    const [a, b] = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    const { server } = runtime;
    const [busA, busB] = [server.route("/a"), server.route("/b")];
    server.join(a.id, "room");
    server.join(b.id, "room");
    expect(busA.connections().map(({ id }) => id)).toEqual([a.id]);
    expect(busB.members("room").map(({ id }) => id)).toEqual([b.id]);
    expect(server.connections().map(({ id }) => id)).toEqual([a.id, b.id]);
    expect(server.members("room").map(({ id }) => id)).toEqual([a.id, b.id]);
    expect([server.rooms(), busA.rooms()]).toEqual([["room"], ["room"]]);
    expect(busA.sendall("to a").targeted).toBe(1);
    expect(busA.unicast("to nobody", b.id).dead).toBe(1);
    expect(busA.join(b.id, "other")).toBe(false);
    await runtime.settle();
    expect([a.take(), b.take()]).toEqual([["to a"], []]);
    expect(() => server.route("/c")).toThrow(expect.objectContaining({ code: "BAD_OPTION", option: 'routes["/c"]' }));
  });

  test("are reached together by the server's verbs, with one receipt", async () => {
    await using runtime = twoRoutes();
    const [a, b] = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    const { server } = runtime;
    expect(server.sendall("all")).toEqual({ targeted: 2, queued: 2, dropped: 0, dead: 0 });
    expect(server.broadcast("but a", a.id)).toEqual({ targeted: 1, queued: 1, dropped: 0, dead: 0 });
    expect(server.unicast("b", b.id).queued).toBe(1);
    expect(server.unicast("nobody", "nobody")).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1 });
    await runtime.settle();
    expect([a.take(), b.take()]).toEqual([["all"], ["all", "but a", "b"]]);
    expect(server.leave(a.id, "room")).toBe(false);
  });

  test("both get what the server tells, unless it is about a connection", async () => {
    const [toA, toB]: unknown[][] = [[], []];
    await using runtime = twoRoutes(toA, toB);
    const b = await runtime.connect({ path: "/b" });
    const { server } = runtime;
    expect([server.tell("both"), server.tell("one", b.id), server.tell("nobody", "nobody")]).toEqual([
      true,
      true,
      false,
    ]);
    server.after(10, "both later");
    server.after(20, "one later", b.id);
    server.after(20, "never")();
    await runtime.advance(20);
    expect(toA).toEqual([
      ["both", undefined],
      ["both later", undefined],
    ]);
    expect(toB).toEqual([
      ["both", undefined],
      ["one", b.id],
      ["both later", undefined],
      ["one later", b.id],
    ]);
  });

  test("add up in the numbers", async () => {
    await using runtime = twoRoutes();
    const [a, b] = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    a.send("four");
    b.send(Buffer.from("five!"));
    runtime.server.sendall("bytes");
    runtime.server.unicast("x", "nobody");
    runtime.server.join(a.id, "room");
    await runtime.settle();
    expect(runtime.server.stats()).toEqual({
      connections: 2,
      away: 0,
      opened: 2,
      closed: 0,
      closedBy: [],
      rooms: 1,
      paused: 0,
      mailboxEvents: 0,
      resting: 0,
      restingEvents: 0,
      outboxBytes: 0,
      keptBytes: 0,
      kept: 0,
      unkept: 0,
      received: { messages: 2, bytes: 9 },
      sent: { messages: 2, bytes: 10, frames: 2, writes: 2 },
      dropped: 0,
      droppedBy: { close: 0, dropOldest: 0, dropNewest: 0, text: 0, gap: 0 },
      deadLetters: 1,
      refused: 0,
      refusedBy: [],
      slowConsumers: 0,
      resumed: 0,
      expired: 0,
      gaps: 0,
      discarded: 0,
      invalid: 0,
      overBudget: 0,
      handlerFailures: 0,
      failures: [],
    });
    expect(runtime.server.paths).toEqual(["/a", "/b"]);
    expect(runtime.server.route("/a").stats()).toMatchObject({ connections: 1, received: { messages: 1, bytes: 4 } });
  });
});

describe("the clock of the server", () => {
  test("is what now and sleep go by", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    await runtime.settle();
    let isAwake = false;
    const sleeping = runtime.server.sleep(30).then(() => {
      isAwake = true;
    });
    await runtime.advance(29);
    expect([runtime.server.now(), isAwake]).toEqual([29, false]);
    await runtime.advance(1);
    expect([runtime.server.now(), isAwake]).toEqual([30, true]);
    await sleeping;
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => runtime.server.sleep(ms)).toThrow(expect.objectContaining({ code: "BAD_DURATION" }));
      expect(() => runtime.server.after(ms, "x")).toThrow(expect.objectContaining({ code: "BAD_DURATION" }));
    }
  });
});
