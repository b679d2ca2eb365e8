/** News of presence in the handlers of every shape: those with a place for them get them, and the rest go on undisturbed. */
import { type Bus, channels, fromLogic, type Handler, idle, noreply, perConnection, type ServerEvent } from "sendall";
import { protocol, type Schema } from "sendall/protocol";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { type AnyActorLogic, createMachine, fromCallback, fromTransition } from "xstate";

type Code = (event: ServerEvent, bus: Bus) => unknown;
interface At {
  readonly event: ServerEvent;
  readonly context: { readonly bus: Bus };
}

const anything: Schema<string> = {
  "~standard": { version: 1, vendor: "by hand", validate: (value) => ({ value: value as string }) },
};
const talk = protocol({ fromClient: { say: anything } });
/** Machines of tests are of any shape: what XState can tell of their types is not looked at. */
const machineOf: (config: object) => AnyActorLogic = (config) => createMachine(config);

/** Shapes whose handler gets news; the client of a protocol says `["say",text]`. */
const SHAPES: readonly [shape: string, make: (code: Code) => Handler][] = [
  ["a function", (code) => code],
  [
    "a stateful handler",
    (code) => ({ init: () => 0, handle: (event: ServerEvent, _state, bus) => void code(event, bus) }),
  ],
  [
    "a transition",
    (code) =>
      fromLogic(
        fromTransition(
          (state: { readonly bus: Bus }, event: ServerEvent) => {
            code(event, state.bus);
            return state;
          },
          ({ input }: { readonly input: { readonly bus: Bus } }) => input,
        ),
      ),
  ],
  [
    "a callback",
    (code) =>
      fromLogic(
        fromCallback<ServerEvent, { readonly bus: Bus }>(({ receive, input }) => {
          receive((event) => void code(event, input.bus));
        }),
      ),
  ],
  [
    "a machine",
    (code) => {
      const run = { actions: ({ event, context }: At) => void code(event, context.bus) };
      const on = Object.fromEntries(["open", "message", "joined", "changed", "left"].map((type) => [type, run]));
      return fromLogic(machineOf({ context: ({ input }: { readonly input: object }) => input, on }));
    },
  ],
  [
    "a protocol's handler",
    (code) => {
      const run = (event: ServerEvent, { bus }: { readonly bus: unknown }): unknown => code(event, bus as Bus);
      return talk.handler({
        open: run,
        say: (text, { connection, bus }) =>
          code({ type: "message", connection, data: text, text } as ServerEvent, bus as Bus),
        joined: run,
        changed: run,
        left: run,
      });
    },
  ],
  ["a channel", (code) => channels({ hall: code })],
];

async function follow(handler: Handler, news: string[], options: object): Promise<void> {
  await using runtime = createTestRuntime({
    presence: { graceMs: 100, key: ({ query }) => query.get("name") ?? "?" },
    ...options,
    handler,
  });
  const ann = await runtime.connect({ path: "/?name=ann" });
  const bob = await runtime.connect({ path: "/?name=bob" });
  for (const client of [ann, bob]) client.send("sub,hall");
  await runtime.settle();
  for (const text of ['["say","typing"]', "msg,hall,typing"]) bob.send(text);
  await runtime.settle();
  bob.close();
  await runtime.advance(100);
  expect(news).toEqual([
    "joined ann null 1 true",
    "joined bob null 2 true",
    'changed bob "typing" 2 true',
    'left bob "typing" 1 true',
  ]);
  expect(ann.closed).toBeUndefined();
}

/** Joins at `open`, shows what is said, and notes the news. */
function noting(news: string[]): Code {
  return (event, bus) => {
    if (event.type === "open") event.connection.join("hall");
    // What is meant for another shape is an invalid message, or text, here.
    if (event.type === "message" && /typing/.test(event.text)) event.connection.show("typing");
    if (event.type !== "joined" && event.type !== "changed" && event.type !== "left") return;
    expect(Object.keys(event).toSorted()).toEqual(["count", "info", "isLocal", "key", "room", "type"]);
    expect(Object.isFrozen(event)).toBe(true);
    expect(event.room).toBe("hall");
    expect(bus.presentCount("hall").keys).toBeGreaterThan(0);
    news.push([event.type, event.key, JSON.stringify(event.info), event.count, event.isLocal].join(" "));
  };
}

describe("news reach", () => {
  test.each(SHAPES)("%s", async (_shape, make) => {
    const news: string[] = [];
    await follow(make(noting(news)), news, {});
  });

  test.each(SHAPES.filter(([shape]) => shape === "a function" || shape === "a protocol's handler"))(
    "%s that handles connections side by side",
    async (_shape, make) => {
      const news: string[] = [];
      await follow(make(noting(news)), news, { concurrency: "connection" });
    },
  );

  test("a protocol's handler with a state, in order, and its functions set the state", async () => {
    const states: number[] = [];
    await using runtime = createTestRuntime({
      presence: { graceMs: 0 },
      handler: talk.handler({
        init: () => 0,
        open: ({ connection }) => void connection.join("hall"),
        say() {},
        joined: ({ count }, { state, setState, connection }) => {
          expect(connection).toBeUndefined();
          states.push(state);
          setState(state + 10 * count);
        },
        left: (_event, { state }) => void states.push(state),
      }),
    });
    await runtime.connect();
    const bob = await runtime.connect();
    bob.close();
    await runtime.settle();
    expect(states).toEqual([0, 10, 30]);
  });

  test("an async handler one at a time, while messages wait as ever", async () => {
    const order: string[] = [];
    await using runtime = createTestRuntime({
      presence: true,
      async handler(event, bus) {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "info" || event.type === "closed") return;
        order.push(`begin ${event.type}`);
        await bus.sleep(10);
        order.push(`end ${event.type}`);
      },
    });
    const ann = await runtime.connect();
    ann.send("a");
    await runtime.advance(1_000);
    expect(order.filter((_step, i) => i % 2 === 0).map((step) => step.replace("begin", "end"))).toEqual(
      order.filter((_step, i) => i % 2 === 1),
    );
    expect(order.filter((step) => step.startsWith("begin")).toSorted()).toEqual([
      "begin joined",
      "begin message",
      "begin open",
    ]);
  });
});

describe("news do not disturb", () => {
  test("modules and loops of perConnection, whose rooms have presence and notices", async () => {
    for (const handler of [
      perConnection({
        init: (connection) => void connection.join("hall"),
        handle: (message, _state, connection) => noreply(connection.show(String(message)) as never),
        info: () => {
          throw new Error("no info was told");
        },
      }),
      perConnection(async (connection) => {
        connection.join("hall");
        for await (const message of connection) if (message !== idle) connection.show(String(message));
      }),
    ]) {
      await using runtime = createTestRuntime({
        presence: { graceMs: 0, key: ({ query }) => query.get("name") ?? "?", notice: ({ type }) => type },
        handler: handler as Handler,
      });
      const ann = await runtime.connect({ path: "/?name=ann" });
      const bob = await runtime.connect({ path: "/?name=bob" });
      bob.send("typing");
      await runtime.settle();
      expect(runtime.server.present("hall")).toMatchObject([{ key: "ann" }, { key: "bob", info: "typing" }]);
      bob.close();
      await runtime.settle();
      expect(ann.received).toEqual(["joined", "changed", "left"]);
      expect(runtime.server.stats()).toMatchObject({ failures: [], mailboxEvents: 0 });
    }
  });

  test("channels, where the rooms of sockets and of each channel are rooms of their own", async () => {
    const news: string[] = [];
    const note =
      (name: string): Code =>
      (event) => {
        if (event.type === "open") event.connection.join("hall");
        if (event.type === "joined") news.push(`${name} ${event.key}`);
      };
    await using runtime = createTestRuntime({
      presence: { key: ({ query }) => query.get("name") ?? "?" },
      handler: channels({
        a: note("a"),
        b: note("b"),
        loop: perConnection(async (connection) => void connection.join("hall")),
      }),
    });
    const ann = await runtime.connect({ path: "/?name=ann" });
    for (const name of ["a", "b", "loop"]) ann.send(`sub,${name}`);
    await runtime.settle();
    runtime.server.join(ann.id, "lobby");
    await runtime.settle();
    expect(news).toEqual(["a ann", "b ann"]);
    expect(runtime.server.present("lobby")).toMatchObject([{ key: "ann" }]);
    expect(runtime.server.present("hall")).toEqual([]);
    expect(runtime.server.stats().failures).toEqual([]);
  });

  test("logic that knows none of them, and a protocol's handler without functions for them", async () => {
    for (const handler of [
      fromLogic(machineOf({ on: { open: { actions: ({ event }: At) => void event.connection?.join("hall") } } })),
      talk.handler({ open: ({ connection }) => void connection.join("hall"), say() {} }),
    ]) {
      await using runtime = createTestRuntime({ presence: { graceMs: 0 }, handler: handler as Handler });
      const ann = await runtime.connect();
      await runtime.connect();
      ann.close();
      await runtime.settle();
      expect(runtime.server.presentCount("hall")).toEqual({ keys: 1, connections: 1 });
      expect(runtime.server.stats()).toMatchObject({ failures: [], mailboxEvents: 0 });
    }
  });
});
