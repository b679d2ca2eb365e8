/** What an observer of the server's actors may do: throw, reject and call back. Nobody but its author learns of it. */
import { fromLogic, type ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type InspectionEvent, setup } from "xstate";
import { nextRound } from "../../e2e/peers.js";
import { HandStage, Lines } from "../stage.js";

const rejected = vi.fn();

beforeEach(() => {
  rejected.mockClear();
  process.on("unhandledRejection", rejected);
  // What subscribers throw XState raises in a timer.
  vi.useFakeTimers({ toFake: ["setTimeout"] });
});

afterEach(async () => {
  expect(() => vi.runAllTimers()).not.toThrow();
  vi.useRealTimers();
  // Node speaks of an unhandled rejection once the microtasks are done.
  await nextRound();
  process.off("unhandledRejection", rejected);
  expect(rejected).not.toHaveBeenCalled();
});

function thrower(): never {
  throw new Error("a bad observer");
}

async function rejecter(): Promise<void> {
  throw new Error("a bad observer");
}

const LINE = [
  "an observer of the actors failed",
  { err: expect.objectContaining({ message: "a bad observer" }), observer: "inspect" },
];

describe("an observer of inspect that fails", () => {
  const bare = { next: thrower };
  const withThis = {
    count: 0,
    next(): void {
      this.count++;
      thrower();
    },
  };
  test.each<[string, ((event: InspectionEvent) => void) | { next(event: InspectionEvent): void }]>([
    ["throws", thrower],
    ["is an object and throws", bare],
    ["is an object with a state and throws", withThis],
    ["rejects", rejecter],
  ])("that %s costs nobody anything, and is logged once", async (_how, observer) => {
    const logger = new Lines();
    await using runtime = createTestRuntime({
      logger,
      handler(event, bus) {
        if (event.type === "message") bus.broadcast(event.data, event.connection);
      },
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    let seen = 0;
    runtime.server.actor.system.inspect(observer);
    runtime.server.actor.system.inspect(() => void seen++);
    for (const text of ["a", "b", "c"]) {
      ann.send(text);
      await runtime.settle();
    }
    const carl = await runtime.connect();
    bob.send("d");
    await runtime.settle();
    expect([ann.take(), bob.take(), carl.take()]).toEqual([["d"], ["a", "b", "c"], ["d"]]);
    expect(seen).toBeGreaterThan(10);
    if (observer === withThis) expect(withThis.count).toBeGreaterThanOrEqual(seen);
    ann.close(1000);
    await runtime.settle();
    await runtime.close();
    expect([ann.closed?.code, bob.closed, carl.closed]).toEqual([
      1000,
      { code: 1001, reason: "going away" },
      { code: 1001, reason: "going away" },
    ]);
    expect(logger.at("error")).toEqual([LINE]);
    expect(runtime.server.stats().failures).toEqual([]);
  });

  test("is logged once for each observer", async () => {
    const logger = new Lines();
    const { server } = await HandStage.open({ logger, handler() {} });
    for (let i = 0; i < 3; i++) server.actor.system.inspect(() => thrower());
    server.actor.system.inspect({});
    await server.close();
    expect(logger.at("error")).toEqual([LINE, LINE, LINE]);
  });

  test("sees the logic of a route, too, and harms it no more than anything else", async () => {
    const machine = setup({ types: { events: {} as ServerEvent } }).createMachine({
      on: { message: { actions: ({ event }) => void event.connection.send("heard") } },
    });
    await using runtime = createTestRuntime({ logger: new Lines(), handler: fromLogic(machine) });
    const client = await runtime.connect();
    runtime.server.actor.system.inspect(thrower);
    client.send("x");
    expect(await client.next()).toBe("heard");
  });
});

describe("an observer that calls back", () => {
  test("may cause at each event another one, which it does not see itself", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({ logger, handler() {} });
    const ann = await runtime.connect();
    const { actor } = runtime.server;
    const [own, others]: [string[], string[]] = [[], []];
    actor.system.inspect((event) => {
      if (event.type !== "@xstate.event") return;
      own.push(event.event.type);
      if (event.event.type !== "close" && event.event.type !== "closed") actor.send({ type: "listening" });
    });
    actor.system.inspect((event) => void (event.type === "@xstate.event" && others.push(event.event.type)));
    ann.send("x");
    await runtime.settle();
    expect([own, others]).toEqual([
      ["message", "message"],
      ["listening", "message", "listening", "message"],
    ]);
    expect(logger.at("error")).toEqual([]);
  });

  test("may close the server", async () => {
    const runtime = createTestRuntime({ handler() {} });
    const ann = await runtime.connect();
    let closing: Promise<void> | undefined;
    runtime.server.actor.system.inspect(() => {
      closing ??= runtime.server.close();
    });
    ann.send("x");
    await runtime.settle();
    await runtime.close();
    await closing;
    expect([ann.closed?.code, await runtime.server.closed]).toEqual([1001, { reason: "close" }]);
  });

  test("may begin and stop to observe", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const ann = await runtime.connect();
    const { system } = runtime.server.actor;
    let seen = 0;
    const first = system.inspect(() => {
      first.unsubscribe();
      first.unsubscribe();
      system.inspect(() => void seen++);
    });
    ann.send("x");
    ann.send("y");
    await runtime.settle();
    expect(seen).toBeGreaterThan(0);
  });
});

describe("a subscriber of the server's actor", () => {
  test.each<[string, "next" | "complete"]>([
    ["each state", "next"],
    ["the end", "complete"],
  ])("that throws at %s ends no process, and is logged once", async (_what, method) => {
    const logger = new Lines();
    const { server } = await HandStage.open({ logger, handler() {} });
    const states: unknown[] = [];
    server.actor.subscribe({ [method]: thrower });
    if (method === "next") server.actor.subscribe(thrower);
    if (method === "complete") server.actor.subscribe(() => {}, undefined, thrower);
    server.actor.subscribe(({ value }) => states.push(value));
    await server.close();
    expect(states).toEqual(["draining", "closed"]);
    const line = [LINE[0], { ...(LINE[1] as object), observer: "subscribe" }];
    expect(logger.at("error")).toEqual([line, line]);
  });

  test("may unsubscribe, and throw in what it selects", async () => {
    const logger = new Lines();
    const { server } = await HandStage.open({ logger, handler() {} });
    server.actor.subscribe(thrower).unsubscribe();
    server.actor.select(({ value }) => value).subscribe(thrower);
    await server.close();
    expect(logger.at("error").length).toBe(1);
  });
});
