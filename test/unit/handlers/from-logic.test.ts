/** `fromLogic`: what the logic gets, what its failures leave of it, and how it ends. */
import { type Bus, fromLogic, type LogicInput, type ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  type AnyActorLogic,
  assign,
  createMachine,
  fromCallback,
  fromPromise,
  fromTransition,
  log,
  setup,
} from "xstate";
import { failures } from "../actors/failing.js";
import { HandStage, Lines } from "../stage.js";

interface Context {
  readonly bus: Bus;
  readonly seen: readonly string[];
}

/** What most machines here are made with: they have the bus, and keep what they have seen. */
const base = setup({
  types: { context: {} as Context, events: {} as ServerEvent, input: {} as LogicInput },
  actions: {
    tellAll: ({ context }, { text }: { text: string }) => void context.bus.sendall(text),
    keep: assign({
      seen: ({ context, event }) => [...context.seen, event.type === "message" ? event.text : event.type],
    }),
    failAtBad({ event }) {
      if (event.type === "message" && event.text === "bad") throw new Error("bad");
    },
    report: ({ context }) => void context.bus.sendall(`seen ${context.seen.join(" ")}`),
  },
});
const start = ({ input }: { input: LogicInput }): Context => ({ bus: input.bus, seen: [] });

describe("logic as a handler", () => {
  test("may be a machine, which gets the events as they are and the bus as its input", async () => {
    const machine = base.createMachine({
      context: start,
      initial: "alone",
      states: {
        alone: {
          on: { open: { target: "together", actions: { type: "tellAll", params: { text: "nobody hears this" } } } },
        },
        together: {
          on: {
            message: {
              actions: ({ context, event }) => void context.bus.broadcast(event.text, event.connection),
            },
            closed: {
              guard: ({ context }) => context.bus.connections().length === 0,
              target: "alone",
            },
          },
        },
      },
    });
    await using runtime = createTestRuntime({ handler: fromLogic(machine) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send("hi");
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([["nobody hears this"], ["hi"]]);
  });

  test("may know only some of our events: the others change nothing", async () => {
    const machine = setup({
      types: { events: {} as Extract<ServerEvent, { type: "message" }>, input: {} as LogicInput },
    }).createMachine({ on: { message: { actions: ({ event }) => void event.connection.send("got it") } } });
    await using runtime = createTestRuntime({ handler: fromLogic(machine) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.close();
    bob.fail();
    runtime.server.tell("x");
    const carl = await runtime.connect();
    carl.send("x");
    expect(await carl.next()).toBe("got it");
  });

  test("may come from fromTransition, whose state is what it returns", async () => {
    const logic = fromTransition(
      (state: { count: number; bus: Bus }, event: ServerEvent) => {
        if (event.type !== "message") return state;
        state.bus.unicast(`${state.count}`, event.connection);
        return { ...state, count: state.count + 1 };
      },
      ({ input }: { input: LogicInput }) => ({ count: 0, bus: input.bus }),
    );
    await using runtime = createTestRuntime({ handler: fromLogic(logic) });
    const client = await runtime.connect();
    for (let i = 0; i < 3; i++) client.send("x");
    await runtime.settle();
    expect(client.take()).toEqual(["0", "1", "2"]);
  });

  test("may come from fromCallback, whose cleanup runs when the server closes", async () => {
    const order: string[] = [];
    const logic = fromCallback<ServerEvent, LogicInput>(({ input, receive }) => {
      receive((event) => {
        order.push(event.type);
        if (event.type === "message") input.bus.unicast(event.text, event.connection);
      });
      return () => void order.push("cleanup");
    });
    const runtime = createTestRuntime({ handler: fromLogic(logic) });
    const client = await runtime.connect();
    client.send("hi");
    expect(await client.next()).toBe("hi");
    await runtime.close();
    expect(order).toEqual(["open", "message", "closed", "cleanup"]);
  });

  test("has its delays in the server's time, which ends with the server", async () => {
    const machine = base.createMachine({
      context: start,
      initial: "calm",
      states: {
        calm: { on: { message: "counting" } },
        counting: {
          after: { 30000: { target: "calm", actions: { type: "tellAll", params: { text: "time is up" } } } },
        },
      },
    });
    const stage = await HandStage.open({ handler: fromLogic(machine), heartbeat: false });
    const wire = await stage.connect();
    wire.listener.message("go", 2);
    await stage.advance(29_999);
    expect(wire.take()).toEqual([]);
    await stage.advance(1);
    expect(wire.take()).toEqual(["write time is up"]);
    wire.listener.message("go", 2);
    await stage.settle();
    const closing = stage.server.close();
    await stage.settle();
    wire.end(1001);
    await stage.advance(0);
    await closing;
    expect(stage.clock.alarms).toBe(0);
  });

  test("may invoke promises and be told of their results", async () => {
    const machine = setup({
      types: { context: {} as Context, events: {} as ServerEvent, input: {} as LogicInput },
      actors: { load: fromPromise<string, Bus>(({ input }) => input.sleep(50).then(() => "loaded")) },
    }).createMachine({
      context: start,
      invoke: {
        src: "load",
        input: ({ context }) => context.bus,
        onDone: { actions: ({ context, event }) => void context.bus.sendall(event.output) },
      },
    });
    await using runtime = createTestRuntime({ handler: fromLogic(machine) });
    const client = await runtime.connect();
    await runtime.advance(50);
    expect(client.take()).toEqual(["loaded"]);
  });

  test("is an actor of the server's, which inspect shows", async () => {
    const actors = new Set<string>();
    const runtime = createTestRuntime({ handler: fromLogic(createMachine({ on: { message: {} } })) });
    const [ann] = [await runtime.connect()];
    const subscription = runtime.server.actor.system.inspect(({ type, actorRef }) => {
      if (type === "@xstate.event" && "id" in actorRef) actors.add(String(actorRef.id));
    });
    ann.send("x");
    await runtime.settle();
    subscription.unsubscribe();
    expect([...actors]).toEqual(["receiver:connection-1", "handler", "handler:*"]);
    await runtime.close();
  });

  test("may log, and what it says is a line of ours", async () => {
    const logger = new Lines();
    const machine = base.createMachine({ context: start, on: { open: { actions: log("hello") } } });
    await using runtime = createTestRuntime({ logger, handler: fromLogic(machine) });
    await runtime.connect();
    expect(logger.at("info")).toContainEqual(["the handler's logic has logged", { said: ['"hello"'] }]);
  });

  test("may send to its parent, which is nobody", async () => {
    const logic = fromCallback<ServerEvent, LogicInput>(({ sendBack, receive }) => {
      receive(() => {
        sendBack({ type: "release" });
        sendBack({ type: "anything", child: 5 });
      });
    });
    await using runtime = createTestRuntime({ handler: fromLogic(logic) });
    await runtime.connect();
    await runtime.connect();
    expect(runtime.server.connections().length).toBe(2);
  });

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["a function", () => {}],
    ["a stateful handler", { init() {}, handle() {} }],
    ["null", null],
  ])("may not be %s", (_what, logic) => {
    expect(() => (fromLogic as (logic: unknown) => unknown)(logic)).toThrow(
      expect.objectContaining({ code: "BAD_HANDLER" }),
    );
  });
});

describe("a final state", () => {
  const upToThree = base.createMachine({
    context: start,
    initial: "on",
    states: {
      on: { on: { message: [{ guard: ({ event }) => event.text === "end", target: "off" }, { actions: "keep" }] } },
      off: { type: "final", entry: { type: "tellAll", params: { text: "goodbye" } } },
    },
  });

  test("closes its route with 1000, and nobody is let in any more; other routes go on", async () => {
    const warned = vi.spyOn(console, "warn");
    onTestFinished(() => warned.mockRestore());
    await using runtime = createTestRuntime({
      routes: {
        "/game": { handler: fromLogic(upToThree) },
        "/other": { handler: (event, bus) => void (event.type === "message" && bus.sendall("here")) },
      },
    });
    const [ann, bob] = [await runtime.connect({ path: "/game" }), await runtime.connect({ path: "/game" })];
    const other = await runtime.connect({ path: "/other" });
    ann.send("end");
    await runtime.settle();
    for (const client of [ann, bob])
      expect([client.take(), client.closed]).toEqual([["goodbye"], { code: 1000, reason: "" }]);
    await expect(runtime.connect({ path: "/game" })).rejects.toMatchObject({ code: "REFUSED", status: 503 });
    other.send("x");
    expect(await other.next()).toBe("here");
    expect([runtime.server.stats().failures, warned.mock.calls]).toEqual([[], []]);
  });

  test("of the last route ends the server, without an error", async () => {
    const runtime = createTestRuntime({ handler: fromLogic(upToThree) });
    const client = await runtime.connect();
    client.send("end");
    await runtime.settle();
    expect(runtime.server.isReady).toBe(false);
    await runtime.close();
    expect(await runtime.server.closed).toEqual({ reason: "handler" });
    expect([client.take(), client.closed]).toEqual([["goodbye"], { code: 1000, reason: "" }]);
  });

  test("may be reached by a delay", async () => {
    const machine = createMachine({
      initial: "on",
      states: { on: { after: { 1000: "off" } }, off: { type: "final" } },
    });
    const runtime = createTestRuntime({ handler: fromLogic(machine) });
    const client = await runtime.connect();
    await runtime.advance(1_000);
    expect(client.closed).toEqual({ code: 1000, reason: "" });
    await runtime.close();
  });

  test("at once is refused: there would be nothing to serve", async () => {
    const runtime = createTestRuntime({
      handler: fromLogic(createMachine({ type: "final" as never, initial: "off", states: { off: { type: "final" } } })),
    });
    await expect(runtime.connect()).rejects.toMatchObject({ code: "BAD_HANDLER" });
  });
});

describe("a failure at the start", () => {
  const failing = (): never => {
    throw new Error("thrown");
  };

  test.each<[string, (child: AnyActorLogic) => AnyActorLogic]>([
    ["of the context", (src) => createMachine({ context: failing, invoke: { src } })],
    ["of an entry action", (src) => createMachine({ entry: failing, invoke: { src } })],
    [
      "of an entry action of a state",
      (src) => createMachine({ invoke: { src }, initial: "a", states: { a: { entry: failing, after: { 1000: {} } } } }),
    ],
  ])("%s rejects serve, and leaves nothing behind", async (_what, make) => {
    let running = 0;
    const child = fromCallback(() => {
      running++;
      return () => void running--;
    });
    await expect(HandStage.open({ handler: fromLogic(make(child)) })).rejects.toThrow("thrown");
    expect(running).toBe(0);
  });

  test("of a callback rejects serve", async () => {
    const logic = fromCallback(() => {
      throw new Error("thrown");
    });
    await expect(HandStage.open({ handler: fromLogic(logic) })).rejects.toThrow("thrown");
  });
});

describe("a failure at an event", () => {
  const careful = base.createMachine({
    context: start,
    initial: "on",
    states: {
      on: {
        after: { 1000: { actions: { type: "tellAll", params: { text: "timer" } } } },
        on: {
          message: [
            { guard: ({ event }) => event.text === "report", actions: "report" },
            { actions: ["keep", "failAtBad"] },
          ],
        },
      },
    },
  });

  test("is charged to the connection and leaves the machine in its last good snapshot, with its timers", async () => {
    await using runtime = createTestRuntime({ failures: "supervise", handler: fromLogic(careful) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const text of ["a", "bad", "b", "report"]) ann.send(text);
    await runtime.settle();
    expect(bob.take()).toEqual(["seen a b"]);
    expect(runtime.server.stats().failures).toMatchObject([
      { event: "message", connection: ann.id, data: "bad", error: { message: "bad" } },
    ]);
    for (let i = 0; i < 3; i++) ann.send("bad");
    await runtime.settle();
    expect([ann.closed, bob.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
    await runtime.advance(1_000);
    expect(bob.take()).toEqual(["timer"]);
  });

  test('starts the machine afresh under "restart"', async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: fromLogic(careful),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    await runtime.advance(999);
    for (const text of ["a", "bad", "b", "report"]) ann.send(text);
    await runtime.settle();
    expect(bob.take()).toEqual(["seen b"]);
    // The timer of the machine before is gone with it.
    await runtime.advance(999);
    expect(bob.take()).toEqual([]);
    await runtime.advance(1);
    expect(bob.take()).toEqual(["timer"]);
  });

  test.each<[string, object]>([
    [
      "a guard",
      {
        guard: () => {
          throw new Error("thrown");
        },
      },
    ],
    [
      "an action",
      {
        actions: () => {
          throw new Error("thrown");
        },
      },
    ],
    [
      "an assignment",
      {
        actions: assign(() => {
          throw new Error("thrown");
        }),
      },
    ],
    ["an entry action of the next state", { target: "broken" }],
  ])("may be that of %s", async (_what, transition) => {
    const machine = createMachine({
      initial: "on",
      states: {
        on: { on: { message: transition } },
        broken: {
          entry: () => {
            throw new Error("thrown");
          },
        },
      },
    });
    await using runtime = createTestRuntime({ failures: "supervise", handler: fromLogic(machine) });
    const client = await runtime.connect();
    for (let i = 0; i < 3; i++) client.send("x");
    await runtime.settle();
    expect([failures(runtime).length, client.closed]).toEqual([3, undefined]);
    expect(runtime.server.stats().failures[0]).toMatchObject({ event: "message", connection: client.id });
    client.send("x");
    await runtime.settle();
    expect(client.closed).toEqual({ code: 1011, reason: "handler failed" });
  });

  test.each(["fromTransition", "fromCallback"])("may be that of %s, which goes on", async (which) => {
    const step = (event: ServerEvent): void => {
      if (event.type === "message" && event.text === "bad") throw new Error("bad");
      if (event.type === "message") event.connection.send(event.text);
    };
    const logic =
      which === "fromCallback"
        ? fromLogic(fromCallback<ServerEvent>(({ receive }) => receive(step)))
        : fromLogic(fromTransition((_state: undefined, event: ServerEvent) => void step(event), undefined));
    await using runtime = createTestRuntime({ failures: "supervise", handler: logic });
    const client = await runtime.connect();
    for (const text of ["a", "bad", "b"]) client.send(text);
    await runtime.settle();
    expect([client.take(), failures(runtime)]).toEqual([["a", "b"], ["message: bad"]]);
  });
});

describe("a failure of the logic outside of any event", () => {
  const ticking = createMachine({
    initial: "on",
    states: {
      on: {
        after: {
          1000: {
            target: "on",
            reenter: true,
            actions: () => {
              throw new Error("tick");
            },
          },
        },
      },
    },
  });

  test("is charged to the handler; too many close the route with 1011", async () => {
    // A tick that throws has lost its timer, as documented: each start of the machine has one.
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart", intensity: 2, periodMs: 5_000 },
      routes: { "/": { handler: fromLogic(ticking) }, "/other": { handler() {} } },
    });
    const [client, other] = [await runtime.connect(), await runtime.connect({ path: "/other" })];
    await runtime.advance(2_000);
    expect([failures(runtime), client.closed]).toEqual([["logic: tick", "logic: tick"], undefined]);
    await runtime.advance(1_000);
    expect([client.closed, other.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
    await expect(runtime.connect()).rejects.toMatchObject({ status: 503 });
  });

  test("may come from an invoked promise without an onError", async () => {
    const machine = createMachine({
      invoke: { src: fromPromise(() => Promise.reject(new Error("not loaded"))) },
      on: { message: { actions: ({ event }) => void event.connection.send("here") } },
    });
    await using runtime = createTestRuntime({ failures: "supervise", handler: fromLogic(machine) });
    const client = await runtime.connect();
    expect(failures(runtime)).toEqual(["logic: not loaded"]);
    client.send("x");
    expect(await client.next()).toBe("here");
  });

  test("of an async action is noted as leaked, and charged to whose event it was", async () => {
    const machine = createMachine({
      on: {
        message: {
          actions: async () => {
            throw new Error("leaked");
          },
        },
      },
    });
    await using runtime = createTestRuntime({ failures: "supervise", handler: fromLogic(machine) });
    const client = await runtime.connect();
    client.send("x");
    await runtime.settle();
    expect(runtime.server.stats().failures).toMatchObject([
      { event: "rejection", connection: client.id, error: { message: "leaked" } },
    ]);
  });
});
