/** Failures of the handler: who is charged, what starts again, and what ends (ARCHITECTURE.md). */
import type { Bus, ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Lines } from "../stage.js";
import { failOn, failures, hangOn } from "./failing.js";

const FAILED = { code: 1011, reason: "handler failed" };

describe("the strategy", () => {
  const counter = (inits: Bus[]) => ({
    init(bus: Bus): number {
      inits.push(bus);
      return inits.length * 100;
    },
    handle(event: ServerEvent, state: number, bus: Bus): number | undefined {
      if (event.type !== "message") return undefined;
      failOn(event);
      bus.unicast(String(state), event.connection);
      return state + 1;
    },
  });

  test('"resume" keeps the state of before the event', async () => {
    const inits: Bus[] = [];
    await using runtime = createTestRuntime({ failures: "supervise", handler: counter(inits) });
    const client = await runtime.connect();
    for (const text of ["a", "throw", "b"]) client.send(text);
    await runtime.settle();
    expect([client.take(), inits.length]).toEqual([["100", "101"], 1]);
  });

  test('"restart" calls init again; connections stay, with their rooms and data, and get no second open', async () => {
    const events: string[] = [];
    const found: unknown[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: {
        init(bus) {
          found.push(bus.connections().map(({ id, rooms, data }) => ({ id, rooms: [...rooms], data: { ...data } })));
          return {};
        },
        handle(event) {
          events.push(event.type);
          if (event.type === "open") {
            event.connection.join("red");
            event.connection.data.nick = "ann";
          }
          failOn(event);
        },
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    client.send("after");
    await runtime.settle();
    expect(events).toEqual(["open", "message", "message"]);
    expect(found).toEqual([[], [{ id: client.id, rooms: ["red"], data: { nick: "ann" } }]]);
    expect(client.closed).toBeUndefined();
  });

  test('"restart" lets events wait for an init that takes its time', async () => {
    const inits: Bus[] = [];
    const { init, handle } = counter(inits);
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: {
        async init(bus: Bus) {
          if (inits.length > 0) await bus.sleep(50);
          return init(bus);
        },
        handle,
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    client.send("a");
    await runtime.advance(49);
    expect(client.take()).toEqual([]);
    await runtime.advance(1);
    expect(client.take()).toEqual(["200"]);
  });

  test('"restart" tries an init that fails again, and charges the handler for it', async () => {
    let inits = 0;
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart", intensity: 2 },
      handler: {
        init() {
          if (inits++ === 1 || inits === 3) throw new Error(`init ${inits}`);
        },
        handle: failOn,
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    await runtime.settle();
    expect(failures(runtime)).toEqual(["message: throw", "init: init 2", "init: init 3"]);
    expect([inits, client.closed]).toEqual([4, undefined]);
  });

  test('"restart" closes the route when init keeps hanging', async () => {
    let inits = 0;
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: {
        async init(bus: Bus) {
          if (inits++ > 0) await bus.sleep(60_000);
        },
        handle: failOn,
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    await runtime.advance(4 * 30_000 - 1);
    expect(client.closed).toBeUndefined();
    await runtime.advance(1);
    expect([inits, client.closed]).toEqual([5, FAILED]);
  });

  test('"restart" closes the route when init keeps failing, and the goodbyes are said', async () => {
    let inits = 0;
    const events: string[] = [];
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart", intensity: 2 },
      handler: {
        init() {
          if (inits++ > 0) throw new Error(`init ${inits}`);
        },
        handle(event) {
          events.push(event.type);
          failOn(event);
        },
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    await runtime.settle();
    expect([inits, client.closed]).toEqual([4, FAILED]);
    await runtime.close();
    expect(events).toEqual(["open", "message", "closed"]);
    expect(await runtime.server.closed).toEqual({ reason: "handler", error: new Error("init 4") });
  });
});

describe("an event of a connection", () => {
  test("is charged to it: one failure too many closes it with 1011 and delivers its closed, and nobody else is touched", async () => {
    const closed: unknown[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler(event, bus) {
        if (event.type === "closed") closed.push([event.connection.id, event.code, event.reason, event.by]);
        failOn(event);
        if (event.type === "message") bus.unicast(event.text, event.connection);
      },
    });
    const [bad, good] = [await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 3; i++) bad.send(`throw ${i}`);
    await runtime.settle();
    expect(bad.closed).toBeUndefined();
    bad.send("throw 3");
    bad.send("throw 4");
    good.send("hello");
    await runtime.settle();
    expect([bad.closed, good.closed, good.take()]).toEqual([FAILED, undefined, ["hello"]]);
    expect(closed).toEqual([[bad.id, 1011, "handler failed", "server"]]);
    expect(failures(runtime)).toEqual([0, 1, 2, 3].map((i) => `message: throw ${i}`));
  });

  test("is charged to it also when the program posted it", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", supervise: { intensity: 0 }, handler: failOn });
    const [bad, good] = [await runtime.connect(), await runtime.connect()];
    runtime.server.tell("about one", bad.id);
    await runtime.settle();
    expect([bad.closed, good.closed]).toEqual([FAILED, undefined]);
  });

  test("that fails counts for periodMs only", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1, periodMs: 100 },
      handler: failOn,
    });
    const client = await runtime.connect();
    for (let i = 0; i < 5; i++) {
      client.send("throw");
      await runtime.advance(100);
    }
    expect(client.closed).toBeUndefined();
    client.send("throw");
    await runtime.advance(99);
    client.send("throw");
    await runtime.settle();
    expect(client.closed).toEqual(FAILED);
  });

  test("that hangs is charged as one that throws, at the default settings: others are served between and after", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", handler: hangOn });
    const [bad, good] = [await runtime.connect(), await runtime.connect()];
    for (let i = 1; i <= 3; i++) {
      bad.send("hang");
      good.send(`${i}`);
      await runtime.advance(30_000);
      expect([bad.closed, good.take()]).toEqual([undefined, [`${i}`]]);
    }
    bad.send("hang");
    await runtime.advance(30_000);
    good.send("after");
    await runtime.settle();
    expect([bad.closed, good.closed, good.take()]).toEqual([FAILED, undefined, ["after"]]);
  });

  test.each<[string, object, number]>([
    ["with a short period", { supervise: { periodMs: 10 } }, 30_000],
    ["side by side", { concurrency: "connection" }, 30_000],
    ["with a short timeout", { handlerTimeoutMs: 7, supervise: { periodMs: 1 } }, 7],
  ])("that hangs is charged %s", async (_name, options, timeoutMs) => {
    await using runtime = createTestRuntime({ failures: "supervise", handler: hangOn, ...options });
    const [bad, good] = [await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 4; i++) bad.send("hang");
    await runtime.advance(4 * timeoutMs - 1);
    expect(bad.closed).toBeUndefined();
    await runtime.advance(1);
    expect([bad.closed, good.closed]).toEqual([FAILED, undefined]);
  });

  test("that hangs is charged however many others hang between", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", handler: hangOn });
    const bad = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 4; i++) for (const client of bad) client.send("hang");
    await runtime.advance(12 * 30_000);
    expect(bad.map(({ closed }) => closed)).toEqual([FAILED, FAILED, FAILED]);
  });

  test("that takes long and then throws is charged as one that throws at once", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(29_000);
        throw new Error("late");
      },
    });
    const client = await runtime.connect();
    for (let i = 0; i < 4; i++) client.send("x");
    await runtime.advance(4 * 29_000);
    expect(client.closed).toEqual(FAILED);
  });

  test("that hangs now and then is not charged for ever", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", handler: hangOn });
    const client = await runtime.connect();
    for (let i = 0; i < 6; i++) {
      client.send("hang");
      await runtime.advance(35_000);
    }
    expect(client.closed).toBeUndefined();
  });

  test("that is its closed does no harm to anybody", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 0 },
      handler(event) {
        if (event.type === "closed") throw new Error("goodbye");
      },
    });
    const [leaver, stayer] = [await runtime.connect(), await runtime.connect()];
    leaver.close();
    await runtime.settle();
    expect([failures(runtime), stayer.closed, runtime.server.stats().connections]).toEqual([
      ["closed: goodbye"],
      undefined,
      1,
    ]);
  });
});

describe("an event that no peer can send", () => {
  const routes = {
    "/bad": { handler: failOn },
    "/good": {
      handler(event: ServerEvent, bus: Bus): void {
        if (event.type === "message") bus.unicast(event.text, event.connection);
      },
    },
  };

  test("is charged to the handler: one failure too many closes its route with 1011, and the others go on", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({ logger, failures: "supervise", routes });
    const [bad, good] = [await runtime.connect({ path: "/bad" }), await runtime.connect({ path: "/good" })];
    for (let i = 0; i < 3; i++) runtime.server.route("/bad").tell(`tell ${i}`);
    await runtime.settle();
    expect(bad.closed).toBeUndefined();
    runtime.server.route("/bad").tell("tell 3");
    await runtime.settle();
    good.send("still here");
    await runtime.settle();
    expect([bad.closed, good.closed, good.take()]).toEqual([FAILED, undefined, ["still here"]]);
    await expect(runtime.connect({ path: "/bad" })).rejects.toMatchObject({
      code: "REFUSED",
      status: 503,
      body: "this route is closed",
    });
    expect((await runtime.connect({ path: "/good" })).closed).toBeUndefined();
    expect(runtime.server.isReady).toBe(true);
    expect(runtime.server.route("/bad").stats()).toMatchObject({ connections: 0, refused: 1 });
    const err = new Error("tell 3");
    expect(logger.at("error").at(-1)).toEqual(["a route is closed: its handler failed too often", { err }]);
  });

  test("closes the server when it closes the last route", async () => {
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 0 },
      routes: { "/a": { handler: failOn }, "/b": { handler: failOn } },
    });
    const clients = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    runtime.server.route("/a").tell("first");
    await runtime.settle();
    expect([clients[0]?.closed, clients[1]?.closed, runtime.server.isReady]).toEqual([FAILED, undefined, true]);
    runtime.server.route("/b").tell("second");
    await runtime.settle();
    expect([clients[1]?.closed, runtime.server.isReady]).toEqual([FAILED, false]);
    await runtime.close();
    expect(await runtime.server.closed).toEqual({ reason: "handler", error: new Error("second") });
    expect(runtime.now()).toBe(0);
  });

  test("that hangs is charged to the handler, too", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      async handler(event, bus) {
        if (event.type === "info") await bus.sleep(60_000);
      },
    });
    const client = await runtime.connect();
    for (let i = 0; i < 4; i++) runtime.server.tell("hang");
    await runtime.advance(4 * 30_000 - 1);
    expect(client.closed).toBeUndefined();
    await runtime.advance(1);
    expect(client.closed).toEqual(FAILED);
  });

  test("is an alarm without an addressee, too", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", supervise: { intensity: 0 }, routes });
    const client = await runtime.connect({ path: "/bad" });
    runtime.server.route("/bad").after(10, "alarm");
    await runtime.advance(10);
    expect([client.closed, failures(runtime)]).toEqual([FAILED, ["info: alarm"]]);
  });
});
