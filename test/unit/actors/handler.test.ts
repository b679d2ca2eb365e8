/** The handler actor: how long an event may take, what is logged of it, and what becomes of late answers. */
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { HandStage, Lines } from "../stage.js";

describe("an event that takes long", () => {
  test("is logged after a second, and is a failure after handlerTimeoutMs; the next one starts then", async () => {
    const logger = new Lines();
    const handled: string[] = [];
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      handlerTimeoutMs: 30_000,
      async handler(event, bus) {
        if (event.type !== "message") return;
        handled.push(event.text);
        if (event.text === "hang") await bus.sleep(1_000_000);
      },
    });
    const client = await runtime.connect();
    client.send("hang");
    client.send("next");
    await runtime.advance(999);
    expect(logger.at("warn")).toEqual([]);
    await runtime.advance(1);
    expect(logger.at("warn")).toEqual([["slow handler", { event: "message", connection: client.id }]]);
    await runtime.advance(28_999);
    expect([handled, runtime.server.stats().failures]).toEqual([["hang"], []]);
    await runtime.advance(1);
    expect(handled).toEqual(["hang", "next"]);
    expect(runtime.server.stats().failures).toMatchObject([
      { at: 30_000, event: "message", connection: client.id, data: "hang", error: { code: "HANDLER_TIMEOUT" } },
    ]);
    expect(logger.at("warn").length).toBe(1);
  });

  test("is not logged as slow when handlerTimeoutMs is a second or less", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      handlerTimeoutMs: 1_000,
      handler: (event, bus) => (event.type === "open" ? bus.sleep(1_000_000) : undefined),
    });
    await runtime.connect();
    await runtime.advance(1_000);
    expect(runtime.server.stats().failures).toMatchObject([{ event: "open", error: { code: "HANDLER_TIMEOUT" } }]);
    expect(logger.at("warn")).toEqual([]);
  });

  test("that ends in time leaves no alarm behind", async () => {
    const stage = await HandStage.open({
      heartbeat: false,
      handler: (_event: unknown, bus: { sleep(ms: number): Promise<void> }) => bus.sleep(5),
    });
    stage.server.tell("go");
    await stage.settle();
    expect(stage.clock.alarms).toBe(2);
    await stage.advance(5);
    expect(stage.clock.alarms).toBe(0);
  });

  test.each<[how: string, make: () => unknown]>([
    ["whose constructor throws", () => odd(Promise.resolve(), "constructor", { get: thrower })],
    ["whose then throws", () => odd(Promise.resolve(), "then", { value: thrower })],
    ["whose then cannot be read", () => odd({}, "then", { get: thrower })],
    ["that is a revoked proxy", revoked],
  ])("that is a promise %s costs one event", async (_how, make) => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler(event, bus) {
        if (event.type !== "message") return undefined;
        return event.text === "odd" ? make() : bus.unicast("answer", event.connection);
      },
    });
    const client = await runtime.connect();
    client.send("odd");
    client.send("hello");
    await runtime.settle();
    expect([client.take(), runtime.server.stats().failures.length]).toEqual([["answer"], 1]);
  });

  test("may settle after its time without doing anything: its state is not taken, its failure only logged", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      handlerTimeoutMs: 10,
      handler: {
        init: () => "first",
        async handle(event, state, bus) {
          if (event.type !== "message") return state;
          if (event.text === "state") bus.unicast(state, event.connection);
          if (event.text === "state") return state;
          await bus.sleep(20);
          if (event.text === "late throw") throw new Error("too late");
          return "late";
        },
      },
    });
    const client = await runtime.connect();
    client.send("late");
    client.send("late throw");
    await runtime.advance(100);
    client.send("state");
    await runtime.settle();
    expect(client.take()).toEqual(["first"]);
    expect(runtime.server.stats().failures.length).toBe(2);
    const err = new Error("too late");
    expect(logger.at("warn")).toEqual([
      ["a handler failed after its timeout", { err, event: "message", connection: client.id }],
    ]);
  });

  test('holds up nobody else with concurrency "connection"', async () => {
    await using runtime = createTestRuntime({
      concurrency: "connection",
      async handler(event, bus) {
        if (event.type !== "message") return;
        if (event.text === "slow") await bus.sleep(100);
        bus.unicast(event.text, event.connection);
      },
    });
    const [slow, quick] = [await runtime.connect(), await runtime.connect()];
    slow.send("slow");
    slow.send("after");
    quick.send("quick");
    await runtime.settle();
    expect([slow.take(), quick.take()]).toEqual([[], ["quick"]]);
    await runtime.advance(100);
    expect(slow.take()).toEqual(["slow", "after"]);
  });
});

describe("what a handler returns", () => {
  test("is awaited if it is a promise of any make", async () => {
    const order: string[] = [];
    const stage = await HandStage.open({
      heartbeat: false,
      handler(event: { data: string }) {
        order.push(`begin ${event.data}`);
        const settle = (resolve: (value: number) => void): void =>
          queueMicrotask(() => resolve(order.push(`end ${event.data}`)));
        // biome-ignore lint/suspicious/noThenProperty: a promise of another make is what is tried
        return { then: settle };
      },
    });
    stage.server.tell("1");
    stage.server.tell("2");
    await stage.settle();
    expect(order).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
  });
});

describe("the log at debug", () => {
  test("has a line for each event, and never what it holds", async () => {
    const logger = new Lines("debug");
    await using runtime = createTestRuntime({
      logger,
      handler(event, bus) {
        if (event.type === "message") bus.unicast("answer: secret", event.connection);
      },
    });
    const client = await runtime.connect({ headers: { cookie: "sid=secret" } });
    client.send("secret");
    client.close(1000, "bye");
    await runtime.settle();
    const events = logger.at("debug").filter(([text]) => text === "event");
    expect(events.map(([, details]) => details)).toMatchObject(
      ["open", "message", "closed"].map((event) => ({ event, connection: client.id })),
    );
    expect(JSON.stringify(logger.lines)).not.toContain("secret");
  });

  test("is more than the log at info, which has a line for each connection opened and closed", async () => {
    const logger = new Lines("info");
    await using runtime = createTestRuntime({ logger, handler() {} });
    const client = await runtime.connect({ path: "/chat", query: { token: "x" } });
    client.send("hello");
    client.close(4000, "bye");
    await runtime.settle();
    expect(logger.lines.map(({ level, text }) => `${level} ${text}`)).toEqual([
      "info listening",
      "info connection opened",
      "info connection closed",
    ]);
    expect(logger.at("info")[1]?.[1]).toEqual({ connection: client.id, path: "/chat", remoteAddress: "127.0.0.1" });
    const ending = { code: 4000, reason: "bye", wasClean: true, by: "peer" };
    expect(logger.at("info")[2]?.[1]).toEqual({ connection: client.id, ...ending });
  });
});

function odd(what: object, name: string, property: PropertyDescriptor): object {
  return Object.defineProperty(what, name, property);
}

function thrower(): never {
  throw new Error("do not look at me");
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
