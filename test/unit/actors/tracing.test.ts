/** What a server publishes on its diagnostics channels, for every shape of handler, in virtual time. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Channel, tracingChannel } from "node:diagnostics_channel";
import {
  channels,
  fromLogic,
  type Handler,
  noreply,
  perConnection,
  reject,
  reply,
  type TracedClosed,
  type TracedEvent,
  type TracedOpen,
  type TracedRefusal,
} from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { createTestRuntime, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { fromPromise, fromTransition, setup } from "xstate";
import { z } from "zod";
import { Peer } from "../session/peer.js";
import { listen, type RecordedStep, record, recordSteps, told } from "./trace-recorder.js";

function run(options: TestRuntimeOptions): TestRuntime {
  const runtime = createTestRuntime({ logger: false, ...options });
  onTestFinished(() => runtime.close());
  return runtime;
}

/** A connection that says something and leaves; ends when all of that is handled. */
async function playLife(runtime: TestRuntime, messages: readonly string[] = ["hello"], path = "/"): Promise<void> {
  const client = await runtime.connect({ path });
  await runtime.settle();
  for (const message of messages) {
    client.send(message);
    await runtime.settle();
  }
  client.close(1000);
  await runtime.settle();
}

const talk = protocol({ fromClient: { say: z.string() }, fromServer: {} });
const SYNC = ["open: start end", "message: start end", "closed: start end"];
const ASYNC = SYNC.map((line) => `${line} asyncStart asyncEnd`);

interface Shape {
  readonly handler: Handler;
  /** What a client says. */
  readonly messages?: readonly string[];
  readonly expected: readonly string[];
}

const wait = (): Promise<void> => Promise.resolve();

const SHAPES: Readonly<Record<string, Shape>> = {
  "a function": { handler: () => {}, expected: SYNC },
  "an async function": { handler: () => wait(), expected: ASYNC },
  "a function that returns a promise of its own kind": {
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library.
    handler: () => ({ then: (resolve: () => void) => resolve() }),
    expected: ASYNC,
  },
  "a state": { handler: { init: () => 0, handle: (_event, count: number) => count + 1 }, expected: SYNC },
  "an async state": { handler: { init: () => 0, handle: async (_event, count: number) => count + 1 }, expected: ASYNC },
  logic: {
    handler: fromLogic(
      fromTransition(
        (state) => state,
        () => ({}),
      ),
    ),
    expected: SYNC,
  },
  "a protocol": { handler: talk.handler({ say: () => {} }), messages: ['["say","hello"]'], expected: SYNC },
  "a protocol with an async function": {
    handler: talk.handler({ say: () => wait() }),
    messages: ['["say","hello"]'],
    expected: [SYNC[0] ?? "", ASYNC[1] ?? "", SYNC[2] ?? ""],
  },
  "a module for each connection": {
    handler: perConnection({ init: () => 0, handle: (_message, count) => noreply(count + 1) }),
    expected: SYNC,
  },
  "an async module for each connection": {
    handler: perConnection({
      init: async () => 0,
      handle: async (message, count) => reply(message, count + 1),
      closed: wait,
    }),
    expected: ASYNC,
  },
  "a loop for each connection": {
    handler: perConnection(async (connection) => {
      for await (const message of connection) if (typeof message === "string") await wait();
    }),
    expected: ASYNC,
  },
};

describe("tracingChannel(sendall.handle)", () => {
  test.each(Object.entries(SHAPES))(
    "tells the steps of every event of a connection to %s",
    async (_shape, { handler, messages, expected }) => {
      const steps = recordSteps();
      await playLife(run({ handler }), messages);
      expect(told(steps)).toEqual(expected);
    },
  );

  test.each(Object.entries(SHAPES))(
    "tells the steps of every event of a channel's subscription to %s, and not those of the socket",
    async (_shape, { handler, messages = ["hello"], expected }) => {
      const steps = recordSteps();
      const runtime = run({ handler: channels({ talk: handler }) });
      await playLife(runtime, ["sub,talk", ...messages.map((text) => `msg,talk,${text}`), "uns,talk"]);
      expect(told(steps)).toEqual(expected);
      expect(new Set(steps.map(({ message }) => message.channel))).toEqual(new Set(["talk"]));
    },
  );

  test("tells events without a connection, timers and silence", async () => {
    const steps = recordSteps();
    const runtime = run({
      handler(event, bus) {
        if (event.type !== "open") return;
        event.connection.idle(50);
        bus.after(100, "later");
      },
    });
    await runtime.connect();
    await runtime.advance(100);
    runtime.server.tell("news");
    await runtime.settle();
    expect(steps.filter(({ step }) => step === "start").map(({ message }) => message.event)).toMatchObject([
      { type: "open" },
      { type: "idle" },
      { type: "info", data: "later" },
      { type: "info", data: "news" },
    ]);
    expect(steps.at(-1)?.message.connection).toBeUndefined();
  });

  test("says which event, of which connection, on which route of which server, and how large", async () => {
    const steps = recordSteps();
    const opened = record<TracedOpen>("sendall.open");
    const runtime = run({ name: "chat", routes: { "/rooms/:name": { handler: () => {} } } });
    await playLife(runtime, ["naïve"], "/rooms/7");
    const connection = opened[0]?.connection;
    const place = { connection, route: "/rooms/:name", channel: undefined, server: "chat", isAsync: false };
    expect(steps.filter(({ step }) => step === "start").map(({ message }) => message)).toEqual([
      { ...place, event: { type: "open", connection }, bytes: undefined },
      { ...place, event: expect.objectContaining({ type: "message", connection, data: "naïve" }), bytes: 6 },
      { ...place, event: expect.objectContaining({ type: "closed", connection, code: 1000 }), bytes: undefined },
    ]);
  });

  test("names channels within channels as the wire does, with the connection of the socket", async () => {
    const steps = recordSteps();
    const opened = record<TracedOpen>("sendall.open");
    const runtime = run({ handler: channels({ outer: channels({ inner: () => {} }) }) });
    await playLife(runtime, ["sub,outer", "msg,outer,sub,inner", "msg,outer,msg,inner,hello"]);
    const messages = steps.filter(({ step }) => step === "start").map(({ message }) => message);
    expect(messages.map(({ event, channel }) => [event.type, channel])).toEqual(
      ["open", "message", "closed"].map((type) => [type, "outer,inner"]),
    );
    for (const { connection, event } of messages) {
      expect(connection).toBe(opened[0]?.connection);
      expect(event.connection).not.toBe(connection);
    }
    expect(messages.map(({ bytes }) => bytes)).toEqual([undefined, 5, undefined]);
  });

  test("tells pings and pongs to a module that hears them", async () => {
    const steps = recordSteps();
    const runtime = run({
      handler: perConnection({ init: () => 0, handle: () => noreply(0), ping: () => noreply(0) }),
    });
    const client = await runtime.connect();
    client.ping("are you there?");
    await runtime.settle();
    const ping = steps.find(({ message }) => message.event.type === "ping")?.message;
    expect([ping?.bytes, ping?.route]).toEqual([14, "*"]);
  });

  test("tells every step of an event within the stores that were bound at its start", async () => {
    const storage = new AsyncLocalStorage<string>();
    const handling = tracingChannel<string, TracedEvent>("sendall.handle");
    const seen: unknown[] = [];
    handling.start.bindStore(storage, ({ event }) => event.type);
    onTestFinished(() => void handling.start.unbindStore(storage));
    const subscribers = {
      start: () => void seen.push(["start", storage.getStore()]),
      end: () => void seen.push(["end", storage.getStore()]),
      asyncStart: () => void seen.push(["asyncStart", storage.getStore()]),
      asyncEnd: () => void seen.push(["asyncEnd", storage.getStore()]),
      error: () => void seen.push(["error", storage.getStore()]),
    };
    handling.subscribe(subscribers);
    onTestFinished(() => handling.unsubscribe(subscribers));
    const runtime = run({
      failures: "supervise",
      handler: async (event) => {
        await wait();
        if (event.type === "message") throw new Error("no");
      },
    });
    await playLife(runtime);
    const steps = ["start", "end", "asyncStart", "asyncEnd"];
    expect(seen).toEqual([
      ...steps.map((step) => [step, "open"]),
      ...["start", "end", "error", "asyncStart", "asyncEnd"].map((step) => [step, "message"]),
      ...steps.map((step) => [step, "closed"]),
    ]);
  });
});

describe("a store bound to the start of sendall.handle", () => {
  const storage = new AsyncLocalStorage<string>();
  /** What the store has in the handler's code, after an await. */
  const seen: (string | undefined)[] = [];
  const look = async (): Promise<void> => {
    await wait();
    seen.push(storage.getStore());
  };

  test.each<[shape: string, handler: Handler, expected: readonly string[], messages?: readonly string[]]>([
    ["an async function", look, ["open", "message", "closed"]],
    ["an async state", { init: () => 0, handle: look }, ["open", "message", "closed"]],
    [
      "a protocol",
      talk.handler({ open: look, say: look, closed: look }),
      ["open", "message", "closed"],
      ['["say",""]'],
    ],
    [
      "a module for each connection",
      perConnection({ init: () => look().then(() => 0), handle: () => look().then(() => noreply(0)), closed: look }),
      ["open", "message", "closed"],
    ],
    [
      "a loop for each connection, which runs in the store of its open",
      perConnection(async (connection) => {
        for await (const _message of connection) await look();
        await look();
      }),
      ["open", "open"],
    ],
    [
      "a promise that logic invokes",
      fromLogic(
        setup({ types: { events: {} as { type: string } }, actors: { look: fromPromise(look) } }).createMachine({
          on: { message: { target: ".looking" } },
          initial: "quiet",
          states: { quiet: {}, looking: { invoke: { src: "look" } } },
        }),
      ),
      ["message"],
    ],
    ["a channel", channels({ talk: look }), ["open", "message", "closed"], ["sub,talk", "msg,talk,hello", "uns,talk"]],
  ])("reaches the asynchronous code of %s", async (_shape, handler, expected, messages) => {
    seen.length = 0;
    const { start } = tracingChannel<string, TracedEvent>("sendall.handle");
    start.bindStore(storage, ({ event }) => event.type);
    onTestFinished(() => void start.unbindStore(storage));
    await playLife(run({ handler }), messages);
    expect(seen).toEqual(expected);
  });

  test("is empty again outside of events", async () => {
    const { start } = tracingChannel<string, TracedEvent>("sendall.handle");
    start.bindStore(storage, () => "inside");
    onTestFinished(() => void start.unbindStore(storage));
    const outside: (string | undefined)[] = [];
    const runtime = run({
      handler: () => {},
      authorize() {
        outside.push(storage.getStore());
        return {};
      },
    });
    await playLife(runtime);
    await playLife(runtime);
    expect([...outside, storage.getStore()]).toEqual([undefined, undefined, undefined]);
  });
});

/** The steps of the message, and the error that they tell. */
function ofMessage(steps: readonly RecordedStep[]): [line: string | undefined, error: unknown] {
  const message = steps.find(({ message: { event } }) => event.type === "message")?.message;
  return [told(steps.filter((one) => one.message === message))[0], message?.error];
}

describe("an event that fails", () => {
  const failure = new Error("no");
  const throwing = (): never => {
    throw failure;
  };
  const SYNC_FAILURE = "message: start error end";
  const ASYNC_FAILURE = "message: start end error asyncStart asyncEnd";

  test.each<[shape: string, handler: Handler, line: string, messages?: readonly string[]]>([
    ["a function that throws", (event) => event.type === "message" && throwing(), SYNC_FAILURE],
    ["a function that rejects", async (event) => event.type === "message" && throwing(), ASYNC_FAILURE],
    [
      "a state that throws",
      { init: () => 0, handle: (event) => void (event.type === "message" && throwing()) },
      SYNC_FAILURE,
    ],
    [
      "logic that throws",
      fromLogic(
        fromTransition(
          (state, event: { type: string }) => (event.type === "message" ? throwing() : state),
          () => ({}),
        ),
      ),
      SYNC_FAILURE,
    ],
    ["a protocol's function that throws", talk.handler({ say: throwing }), SYNC_FAILURE, ['["say","hello"]']],
    ["a module that rejects", perConnection({ init: () => 0, handle: async () => throwing() }), ASYNC_FAILURE],
    [
      "a loop that throws",
      perConnection(async (connection) => {
        for await (const _message of connection) throwing();
      }),
      ASYNC_FAILURE,
    ],
    [
      "a channel that throws",
      channels({ talk: (event) => event.type === "message" && throwing() }),
      SYNC_FAILURE,
      ["sub,talk", "msg,talk,hello"],
    ],
  ])("tells the error of %s", async (_shape, handler, line, messages) => {
    const steps = recordSteps();
    await playLife(run({ handler, failures: "supervise" }), messages);
    expect(ofMessage(steps)).toEqual([line, failure]);
  });

  test.each<[shape: string, handler: Handler]>([
    ["a function", (event) => (event.type === "message" ? new Promise(() => {}) : undefined)],
    [
      "a loop",
      perConnection(async (connection) => {
        for await (const _message of connection) await new Promise(() => {});
      }),
    ],
  ])("that %s never finishes fails at handlerTimeoutMs", async (_shape, handler) => {
    const steps = recordSteps();
    const runtime = run({ handler, handlerTimeoutMs: 3_000, failures: "supervise" });
    const client = await runtime.connect();
    client.send("hello");
    await runtime.advance(2_999);
    expect(ofMessage(steps)).toEqual(["message: start end", undefined]);
    await runtime.advance(1);
    expect(ofMessage(steps)).toEqual([ASYNC_FAILURE, expect.objectContaining({ code: "HANDLER_TIMEOUT" })]);
  });

  test("within a handler that goes on is told once, and what comes later is not", async () => {
    const steps = recordSteps();
    let fail = (_error: Error): void => {};
    const handler: Handler = (event) =>
      event.type === "message" &&
      new Promise((_resolve, reject) => {
        fail = reject;
      });
    const runtime = run({ handler, handlerTimeoutMs: 3_000, failures: "supervise" });
    (await runtime.connect()).send("hello");
    await runtime.advance(3_000);
    fail(failure);
    await runtime.settle();
    expect(ofMessage(steps)).toEqual([ASYNC_FAILURE, expect.objectContaining({ code: "HANDLER_TIMEOUT" })]);
  });

  test("by a refusal of a protocol's function, or by a message that does not fit, has no error", async () => {
    const steps = recordSteps();
    const handler = talk.handler({
      say() {
        throw refuse("FULL");
      },
    });
    await playLife(run({ handler }), ['["say","hello"]', '["say",7]']);
    expect(told(steps)).toEqual([SYNC[0], SYNC[1], SYNC[1], SYNC[2]]);
  });
});

describe("the open event of a loop", () => {
  const lineOfOpen = (steps: readonly RecordedStep[]): string | undefined => told(steps)[0];
  const OVER = "open: start end asyncStart asyncEnd";

  test("is over when the loop asks for the first message", async () => {
    const steps = recordSteps();
    const handler = perConnection(async (connection, bus) => {
      await bus.sleep(100);
      for await (const _message of connection) await wait();
    });
    const runtime = run({ handler });
    await runtime.connect();
    await runtime.advance(99);
    expect(lineOfOpen(steps)).toBe("open: start end");
    await runtime.advance(1);
    expect(lineOfOpen(steps)).toBe(OVER);
  });

  test("fails with the loop", async () => {
    const steps = recordSteps();
    const handler = perConnection(async (_connection, bus) => {
      await bus.sleep(100);
      throw new Error("no");
    });
    const runtime = run({ handler, failures: "supervise" });
    await runtime.connect();
    await runtime.advance(100);
    expect(lineOfOpen(steps)).toBe("open: start end error asyncStart asyncEnd");
  });

  test("is over after handlerTimeoutMs for a loop that never reads, which has not failed", async () => {
    const steps = recordSteps();
    const handler = perConnection(async (connection, bus) => {
      for (;;) {
        connection.send("tick");
        await bus.sleep(1_000);
      }
    });
    const runtime = run({ handler, handlerTimeoutMs: 5_000 });
    const client = await runtime.connect();
    await runtime.advance(4_999);
    expect(lineOfOpen(steps)).toBe("open: start end");
    await runtime.advance(1);
    expect(lineOfOpen(steps)).toBe(OVER);
    client.close();
    await runtime.advance(5_000);
    expect(told(steps)).toEqual([OVER, "closed: start end"]);
  });
});

describe("sendall.open and sendall.closed", () => {
  test("tell of each connection once, with its route, its server, how it ended and after how long", async () => {
    const opened = record<TracedOpen>("sendall.open");
    const closed = record<TracedClosed>("sendall.closed");
    const runtime = run({ name: "chat", routes: { "/rooms/:name": { handler: () => {} } } });
    const client = await runtime.connect({ path: "/rooms/7" });
    await runtime.advance(1_500);
    client.close(4001, "enough");
    await runtime.settle();
    const place = { connection: expect.objectContaining({ path: "/rooms/7" }), route: "/rooms/:name", server: "chat" };
    expect(opened).toEqual([place]);
    const ending = { code: 4001, reason: "enough", wasClean: true, by: "peer", unacknowledged: 0 };
    expect(closed).toEqual([{ ...place, ...ending, durationMs: 1_500 }]);
    expect(closed[0]?.connection).toBe(opened[0]?.connection);
  });

  test("pass over the subscriptions of channels", async () => {
    const opened = record<TracedOpen>("sendall.open");
    const closed = record<TracedClosed>("sendall.closed");
    await playLife(run({ handler: channels({ talk: () => {} }) }), ["sub,talk", "uns,talk"]);
    expect([opened.length, closed.length]).toEqual([1, 1]);
  });

  test("tell of a session once, however often its socket is lost", async () => {
    const opened = record<TracedOpen>("sendall.open");
    const closed = record<TracedClosed>("sendall.closed");
    const runtime = run({ handler: () => {}, resume: { graceMs: 60_000 } });
    const peer = await Peer.open(runtime);
    await peer.blink();
    await peer.blink();
    expect([runtime.server.stats().resumed, opened.length, closed.length]).toEqual([2, 1, 0]);
    await peer.cut();
    await runtime.advance(60_000);
    expect([opened.length, closed.map(({ by }) => by)]).toEqual([1, ["lost"]]);
  });

  test("let a subscriber close the connection at once", async () => {
    record<TracedOpen>("sendall.open");
    const closed = record<TracedClosed>("sendall.closed");
    const events: string[] = [];
    const runtime = run({ handler: (event) => void events.push(event.type), resume: true });
    listen("sendall.open", (message) => void (message as TracedOpen).connection.close(4002, "not you"));
    const client = await runtime.connect();
    await runtime.settle();
    expect(await client.closed).toMatchObject({ code: 4002, reason: "not you" });
    expect([events, closed.map(({ code, by }) => [code, by])]).toEqual([["open", "closed"], [[4002, "server"]]]);
  });
});

describe("sendall.refused", () => {
  test("tells of each refusal with its status, cause, path, address, route and server", async () => {
    const refused = record<TracedRefusal>("sendall.refused");
    const opened = record<TracedOpen>("sendall.open");
    const runtime = run({
      name: "chat",
      routes: { "/rooms/:name": { handler: () => {}, authorize: () => reject(401, "who are you?") } },
    });
    await expect(runtime.connect({ path: "/rooms/7", query: { token: "secret" } })).rejects.toMatchObject({
      code: "REFUSED",
    });
    await expect(runtime.connect({ path: "/nowhere" })).rejects.toMatchObject({ code: "REFUSED" });
    expect(refused).toEqual([
      {
        status: 401,
        reason: "who are you?",
        path: "/rooms/7",
        remoteAddress: "127.0.0.1",
        route: "/rooms/:name",
        server: "chat",
      },
      {
        status: 404,
        reason: "there is no route /nowhere",
        path: "/nowhere",
        remoteAddress: "127.0.0.1",
        route: undefined,
        server: "chat",
      },
    ]);
    expect(opened).toEqual([]);
  });
});

describe("a server that nobody traces", () => {
  /** Counts what is published on any channel. */
  function countPublished(): () => number {
    const publish = vi.spyOn(Channel.prototype, "publish");
    const runStores = vi.spyOn(Channel.prototype, "runStores");
    onTestFinished(() => void [publish, runStores].map((spy) => spy.mockRestore()));
    return () => publish.mock.calls.length + runStores.mock.calls.length;
  }

  test("publishes nothing", async () => {
    const published = countPublished();
    const runtime = run({ handler: () => {} });
    await playLife(runtime);
    await expect(runtime.connect({ headers: { origin: "https://evil.example" } })).rejects.toThrow();
    expect(published()).toBe(0);
  });

  test("publishes nothing after the last subscriber has gone, in the middle of an event either", async () => {
    const handling = tracingChannel<unknown, TracedEvent>("sendall.handle");
    const starts: string[] = [];
    const onStart = (message: unknown): void => void starts.push((message as TracedEvent).event.type);
    handling.start.subscribe(onStart);
    const runtime = run({ handler: (event) => void (event.type === "message" && handling.start.unsubscribe(onStart)) });
    await playLife(runtime, ["hello", "again"]);
    expect(starts).toEqual(["open", "message"]);
    const published = countPublished();
    await playLife(runtime);
    expect(published()).toBe(0);
  });
});
