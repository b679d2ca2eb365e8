/** The test runtime: clients, time, and the errors for a handler that fails, hangs or leaks. */

import { types } from "node:util";
import type { HandlerFunction } from "sendall";
import { createTestRuntime, type SendallError, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { messageOf } from "../../../src/runtime/thrown.js";
import { Lines } from "../stage.js";
import { UNREADABLE } from "../unreadable.js";

const echo: HandlerFunction = (event, bus) => {
  if (event.type === "open") bus.unicast("welcome", event.connection);
  if (event.type === "message") bus.unicast(event.data, event.connection);
};

describe("connect", () => {
  test("asks with path, query, headers, protocols and address, and resolves when what open sent has arrived", async () => {
    await using runtime = createTestRuntime({ protocols: ["b", "a"], handler: echo });
    const client = await runtime.connect({
      path: "/room?x=1",
      query: { nick: "Bob & co" },
      headers: { "X-Token": "t", cookie: "a=b" },
      protocols: ["a", "b"],
      remoteAddress: "10.1.2.3",
    });
    expect([client.id, client.protocol, client.received, client.closed]).toEqual([
      "connection-1",
      "b",
      ["welcome"],
      undefined,
    ]);
    const [connection] = runtime.server.connections();
    expect(connection).toMatchObject({
      path: "/room",
      remoteAddress: "10.1.2.3",
      transport: "memory",
      cookies: { a: "b" },
    });
    expect([...(connection?.query ?? [])]).toEqual([
      ["x", "1"],
      ["nick", "Bob & co"],
    ]);
    expect(connection?.headers).toMatchObject({ "x-token": "t", host: "memory" });
  });

  test("rejects with REFUSED, the status and the body", async () => {
    await using runtime = createTestRuntime({ routes: { "/a": { handler() {} } } });
    const refusal = runtime.connect({ path: "/b" });
    await expect(refusal).rejects.toMatchObject({ code: "REFUSED", status: 404, body: "there is no route /b" });
  });

  test("refuses options that it does not have", async () => {
    const misspelt: object = { sede: 1, handler() {} };
    expect(() => createTestRuntime(misspelt as { handler(): void })).toThrow(
      /^sede: unknown option: did you mean "seed"\? The options are .*host/,
    );
    await using runtime = createTestRuntime({ handler() {} });
    const options: object = { nick: "ann" };
    await expect(runtime.connect(options)).rejects.toThrow(
      "nick: unknown option: the options are path, query, headers, protocols, remoteAddress, name, latencyMs, onMessage",
    );
    await expect(runtime.connect({ latencyMs: -1 })).rejects.toMatchObject({ code: "BAD_DURATION" });
    await expect(runtime.connect("/chat" as never)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: 'options: expected an object such as { path: "/chat" }, got "/chat"',
    });
  });

  test("hands messages to onMessage, which are then kept nowhere", async () => {
    await using runtime = createTestRuntime({ handler: echo });
    const got: unknown[] = [];
    const client = await runtime.connect({ onMessage: (data) => got.push(data) });
    client.send(Buffer.from([1]));
    await runtime.settle();
    expect([got, client.received]).toEqual([["welcome", Buffer.from([1])], []]);
  });
});

describe("a reader that is slow", () => {
  /** Each message goes to every client, and takes 12 bytes on the wire. */
  const options: TestRuntimeOptions = {
    outbox: { maxBufferedBytes: 1_000 },
    handler: (event, bus) => void (event.type === "message" && bus.sendall(event.text)),
  };
  const messages = ["message 01", "message 02", "message 03"];

  test("reads as many bytes as it is told to, and has a message when its last byte has come", async () => {
    await using runtime = createTestRuntime(options);
    const [writer, reader] = [await runtime.connect(), await runtime.connect()];
    const buffered = (): number | undefined => runtime.server.connections()[1]?.bufferedAmount;
    reader.stall();
    for (const message of messages) writer.send(message);
    await runtime.settle();
    expect([reader.received, buffered()]).toEqual([[], 36]);
    reader.read(11);
    await runtime.settle();
    expect([reader.received, buffered()]).toEqual([[], 25]);
    reader.read(1);
    await runtime.settle();
    expect([reader.received, buffered()]).toEqual([messages.slice(0, 1), 24]);
    reader.read(23);
    await runtime.settle();
    expect([reader.received, buffered()]).toEqual([messages.slice(0, 2), 1]);
    reader.resume();
    await runtime.settle();
    expect([reader.received, buffered()]).toEqual([messages, 0]);
    expect(writer.received).toEqual(messages);
  });

  test("reads on when more comes, until its bytes are used up", async () => {
    await using runtime = createTestRuntime(options);
    const [writer, reader] = [await runtime.connect(), await runtime.connect()];
    reader.stall();
    reader.read(20);
    for (const message of messages) {
      writer.send(message);
      await runtime.settle();
    }
    expect(reader.received).toEqual(messages.slice(0, 1));
    reader.read(4);
    await runtime.settle();
    expect(reader.received).toEqual(messages.slice(0, 2));
    const bad = (): void => reader.read(-1);
    expect(bad).toThrow("bytes: expected a whole number from 0, got -1");
  });

  test("answers no ping and sees no close frame while it is stalled", async () => {
    await using runtime = createTestRuntime(options);
    const reader = await runtime.connect();
    reader.stall();
    runtime.server.connections()[0]?.ping("x".repeat(10));
    await runtime.settle();
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(undefined);
    reader.read(12);
    await runtime.settle();
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
    runtime.server.connections()[0]?.close(4_000, "bye");
    await runtime.settle();
    expect(reader.closed).toBe(undefined);
    reader.read(7);
    await runtime.settle();
    expect(reader.closed).toEqual({ code: 4_000, reason: "bye" });
  });
});

describe("a client that is lost", () => {
  const watch = (): { readonly events: string[]; readonly options: TestRuntimeOptions } => {
    const events: string[] = [];
    const handler: HandlerFunction = (event) => {
      if (event.type === "message") events.push(event.text);
      if (event.type === "error") events.push(event.error.message);
      if (event.type === "closed") events.push(`closed ${event.code} ${event.by}`);
    };
    return { events, options: { handler } };
  };

  test("disconnects without a close frame, after what it sent", async () => {
    const { events, options } = watch();
    await using runtime = createTestRuntime(options);
    const client = await runtime.connect();
    client.send("last");
    client.disconnect();
    expect([client.closed, client.send("late")]).toEqual([{ code: 1006, reason: "" }, false]);
    await runtime.settle();
    expect(events).toEqual(["last", "closed 1006 lost"]);
  });

  test("fails with its error, after what it sent", async () => {
    const { events, options } = watch();
    await using runtime = createTestRuntime(options);
    const client = await runtime.connect();
    client.send("last");
    client.fail(new Error("cable"));
    await runtime.settle();
    expect(events).toEqual(["last", "cable", "closed 1006 lost"]);
  });

  test("vanishes with what was on its way, and neither side notices until the server's heartbeat does", async () => {
    const { events, options } = watch();
    await using runtime = createTestRuntime(options);
    const client = await runtime.connect({ name: "ann" });
    client.send("arrives");
    await runtime.settle();
    client.send("on its way");
    client.vanish();
    expect(client.send("late")).toBe(true);
    await runtime.settle();
    expect(runtime.server.sendall("lost").queued).toBe(1);
    await runtime.settle();
    expect([events, runtime.server.stats().connections]).toEqual([["arrives"], 1]);
    expect(runtime.server.connections()[0]?.bufferedAmount).toBe(6);
    await expect(client.next()).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: expect.stringMatching(
        /^ann \(.* none can come: the client has vanished, and nothing reaches it any more\./,
      ),
    });
    await runtime.advance(44_999);
    expect(events).toEqual(["arrives"]);
    await runtime.advance(1);
    expect(events).toEqual(["arrives", "closed 1006 lost"]);
    for (const read of [() => client.resume(), () => client.read(100), () => client.vanish()]) read();
    await runtime.advance(100_000);
    expect([client.received, client.closed, runtime.clients]).toEqual([[], undefined, [client]]);
  });

  test("vanishes within a message, and reads nothing more of what has come with it", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const got: unknown[] = [];
    const client = await runtime.connect({
      onMessage(data) {
        got.push(data);
        client.vanish();
      },
    });
    runtime.server.sendall("first");
    runtime.server.sendall("second");
    await runtime.settle();
    expect(got).toEqual(["first"]);
  });

  test("has vanished until its own side ends it, of which the server gets no sign", async () => {
    for (const end of ["close", "disconnect", "fail"] as const) {
      const { events, options } = watch();
      await using runtime = createTestRuntime(options);
      const client = await runtime.connect();
      client.vanish();
      client[end]();
      expect([client.closed, client.send("late"), runtime.clients]).toEqual([{ code: 1006, reason: "" }, false, []]);
      await runtime.advance(44_999);
      expect([events, runtime.server.stats().connections]).toEqual([[], 1]);
    }
  });

  test("has vanished until the runtime is closed, which takes no longer than the server waits for a close frame", async () => {
    const { events, options } = watch();
    const runtime = createTestRuntime({ ...options, closeTimeoutMs: 3_000 });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.vanish();
    await runtime.close();
    expect([ann.closed, bob.closed]).toEqual([
      { code: 1006, reason: "" },
      { code: 1001, reason: "going away" },
    ]);
    expect([runtime.now(), runtime.clients, events.length]).toEqual([3_000, [], 2]);
  });
});

describe("latency", () => {
  test("is as long as the client says, in each direction, and nothing overtakes", async () => {
    await using runtime = createTestRuntime({ handler: echo });
    const client = await runtime.connect({ latencyMs: 30 });
    expect(client.received).toEqual([]);
    await runtime.advance(30);
    expect(client.take()).toEqual(["welcome"]);
    client.send("slow");
    await runtime.settle();
    await runtime.advance(59);
    expect(client.take()).toEqual([]);
    await runtime.advance(1);
    expect(client.take()).toEqual(["slow"]);
    client.send("slow");
    client.delay(0);
    client.send("not before");
    await runtime.advance(29);
    expect(client.take()).toEqual([]);
    await runtime.advance(1);
    expect(client.take()).toEqual(["slow", "not before"]);
    const bad = (): void => client.delay(Number.NaN);
    expect(bad).toThrow(expect.objectContaining({ code: "BAD_DURATION" }));
  });

  test("shows in the round trip of a ping, and is cut with the connection", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const client = await runtime.connect({ latencyMs: 20 });
    runtime.server.connections()[0]?.ping();
    await runtime.advance(40);
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(40);
    client.send("on its way");
    runtime.server.connections()[0]?.terminate();
    await runtime.advance(1_000);
    expect([client.closed, runtime.server.stats().received.messages]).toEqual([{ code: 1006, reason: "" }, 0]);
  });
});

describe("time", () => {
  test("is shared: the server's, the handler's and the clients' alarms ring in the order in which they were set", async () => {
    const rung: string[] = [];
    await using runtime = createTestRuntime({
      heartbeat: { intervalMs: 100, timeoutMs: 50 },
      async handler(event, bus) {
        if (event.type === "info") rung.push(`${event.data} ${bus.now()}`);
        if (event.type !== "message") return;
        bus.after(100, "after 1");
        void bus.sleep(100).then(() => rung.push(`sleep ${bus.now()}`));
        bus.after(100, "after 2");
      },
    });
    const client = await runtime.connect();
    client.send("go");
    await runtime.settle();
    const timers = Reflect.get(runtime.WebSocket, Symbol.for("sendall.clock")) as {
      setTimeout(callback: () => void, ms: number): number;
    };
    timers.setTimeout(() => rung.push(`client ${runtime.now()}`), 100);
    await runtime.advance(99);
    expect(rung).toEqual([]);
    await runtime.advance(1);
    expect(rung).toEqual(["after 1 100", "sleep 100", "after 2 100", "client 100"]);
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  });

  test("is waited for by handlers that sleep, and settle does not wait for them", async () => {
    const runtime = createTestRuntime({
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(100);
        bus.sendall("awake");
      },
    });
    const client = await runtime.connect();
    client.send("go");
    await runtime.settle();
    expect(client.received).toEqual([]);
    await runtime.advance(100);
    expect(client.received).toEqual(["awake"]);
    await runtime.close();
  });

  test("stands still without advance, and goes on by no less than nothing", async () => {
    await using runtime = createTestRuntime({ handler: echo });
    const client = await runtime.connect();
    client.send("x");
    await runtime.settle();
    expect(runtime.now()).toBe(0);
    await runtime.advance(0.5);
    expect(runtime.now()).toBe(0.5);
    await expect(runtime.advance(-1)).rejects.toMatchObject({ code: "BAD_DURATION" });
  });
});

describe("a handler that fails", () => {
  /** The error with which a test of this handler fails. */
  async function failureOf(handler: HandlerFunction, options: Partial<TestRuntimeOptions> = {}): Promise<Error> {
    const runtime = createTestRuntime({ ...options, handler } as TestRuntimeOptions);
    try {
      const client = await runtime.connect({ name: "ann" });
      client.send("go");
      await runtime.settle();
      await runtime.close();
    } catch (error) {
      await runtime.close().catch(() => {});
      return error as Error;
    }
    throw new Error("nothing has failed");
  }

  test("by throwing gives its own error, which says in which event of which connection", async () => {
    const thrown = new Error("boom");
    const error = await failureOf((event) => {
      if (event.type === "message") throw thrown;
    });
    expect(error).toBe(thrown);
    expect(error.message).toBe('boom (in the "message" event of ann (connection-1))');
    expect(error.stack).toContain(error.message);
  });

  test("by rejecting gives its own error with event and connection, also when the same error comes again from another event", async () => {
    const thrown = new Error("boom");
    const handler: HandlerFunction = async (event) => {
      await null;
      if (event.type === "open" || event.type === "message") throw thrown;
    };
    expect((await failureOf(handler)).message).toBe('boom (in the "open" event of ann (connection-1))');
    const second = await failureOf((event) => event.type === "message" && handler(event, undefined as never));
    expect(second.message).toBe('boom (in the "message" event of ann (connection-1))');
  });

  test("with what is no error, or cannot be changed, gives one that has it as its cause", async () => {
    const frozen = Object.freeze(new Error("frozen"));
    for (const cause of ["text", undefined, frozen]) {
      const error = await failureOf((event) => {
        if (event.type === "message") throw cause;
      });
      expect(error).toMatchObject({ code: "HANDLER_FAILED", cause });
      expect(error.message).toMatch(/\(in the "message" event of ann \(connection-1\)\)$/);
    }
  });

  test("in a promise that nothing awaits is found as well, with the event that made it", async () => {
    const error = await failureOf((event) => {
      if (event.type !== "message") return;
      void (async () => {
        await null;
        throw new Error("forgotten");
      })();
    });
    expect(error.message).toBe(
      'forgotten (a rejection that nothing awaited, from the "message" event of ann (connection-1))',
    );
  });

  test("by hanging is NOT_SETTLED, with what it has not finished", async () => {
    const error = await failureOf((event) => event.type === "message" && new Promise(() => {}));
    expect(error).toMatchObject({ code: "NOT_SETTLED" });
    expect(error.message).toBe(
      'the handler has not finished its "message" event of ann (connection-1), and waits for something outside the test runtime',
    );
  });

  test("by hanging until the server closes is told by close", async () => {
    const runtime = createTestRuntime({
      handler: (event) => event.type === "message" && new Promise(() => {}),
    });
    const client = await runtime.connect();
    client.send("go");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await expect(runtime.close()).rejects.toThrow(/before it was finished \(in the "message" event of connection-1\)$/);
  });

  test("in init after a restart is listed as a failure of init", async () => {
    const runtime = createTestRuntime({
      supervise: { strategy: "restart" },
      handler: {
        init: (bus) => {
          if (bus.connections().length > 0) throw new Error("no");
        },
        handle(event) {
          if (event.type === "message") throw new Error("boom");
        },
      },
    });
    const client = await runtime.connect();
    client.send("go");
    await expect(runtime.settle()).rejects.toThrow("boom");
    runtime.server.connections()[0]?.close();
    await runtime.close().catch(() => {});
    const failures = runtime.server.stats().failures.map(({ event, error }) => [event, String(error)]);
    expect(failures[1]).toEqual(["init", expect.stringContaining("no")]);
  });

  test.each(UNREADABLE)("is reported also when its error cannot be read: %s", async (_what, make) => {
    const runtime = createTestRuntime({
      handler(event) {
        if (event.type === "message") throw make();
      },
    });
    const client = await runtime.connect();
    client.send("go");
    await expect(runtime.settle()).rejects.toSatisfy(
      (error: unknown) =>
        // The thrown value may be a proxy of an error, whose message no code can read.
        /in the "message" event/.test(messageOf(error)) || types.isProxy(error),
    );
    await runtime.close();
  });

  test('is left to supervision with failures: "supervise"', async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1 },
      handler(event) {
        if (event.type === "message") throw new Error("boom");
      },
    });
    const client = await runtime.connect();
    client.send("1");
    client.send("2");
    await runtime.settle();
    expect(client.closed).toEqual({ code: 1011, reason: "handler failed" });
    expect(String(runtime.server.stats().failures[0]?.error)).toBe("Error: boom");
  });

  test.each(["throw", "resume"])("the option failures takes or refuses %j", async (failures) => {
    const make = (): unknown => createTestRuntime({ failures, handler() {} } as TestRuntimeOptions);
    if (failures === "throw") make();
    else expect(make).toThrow('failures: expected "throw" or "supervise", got "resume"');
  });
});

describe("a timer of Node that the handler leaves behind", () => {
  /** The error with which `close` rejects. */
  async function leak(
    handler: HandlerFunction,
    options: Partial<TestRuntimeOptions> = {},
  ): Promise<SendallError | undefined> {
    const runtime = createTestRuntime({ ...options, handler } as TestRuntimeOptions);
    const client = await runtime.connect({ name: "ann" });
    client.send("go");
    await runtime.settle();
    return runtime.close().then(
      () => undefined,
      (error: SendallError) => error,
    );
  }

  test("makes close fail, with the event and the connection that it comes from, and is ended", async () => {
    let timer: NodeJS.Timeout | undefined;
    const error = await leak((event) => {
      if (event.type === "message") timer = setInterval(() => {}, 1_000);
    });
    expect(error).toMatchObject({ code: "TIMER_LEAKED" });
    expect(error?.message).toBe(
      'a timer that the handler has set in the "message" event of ann (connection-1) still runs after the server has ended (bus.after ends by itself)',
    );
    expect(Reflect.get(timer ?? {}, "_destroyed")).toBe(true);
  });

  test("is found when it was set after an await, or in init", async () => {
    const late = await leak(async (event) => {
      await null;
      if (event.type === "open") setTimeout(() => {}, 10_000);
      if (event.type === "open") setTimeout(() => {}, 10_000);
    });
    expect(late?.message).toContain(
      'in the "open" event of ann (connection-1) still runs after the server has ended, and 1 more',
    );
    const runtime = createTestRuntime({
      handler: { init: () => setInterval(() => {}, 1_000), handle() {} },
    });
    await runtime.settle();
    await expect(runtime.close()).rejects.toThrow(
      "a timer that the handler has set still runs after the server has ended",
    );
  });

  test("is none if it has rung, was cleared, or was told not to keep the process alive", async () => {
    const error = await leak(async (event) => {
      if (event.type !== "message") return;
      clearTimeout(setTimeout(() => {}, 10_000));
      setTimeout(() => {}, 10_000).unref();
      await new Promise((resolve) => setTimeout(resolve, 1));
    });
    expect(error).toBe(undefined);
  });

  test("is none if the test itself has set it, or a handler cleared it in stop", async () => {
    const runtime = createTestRuntime({
      handler: {
        init: () => setInterval(() => {}, 1_000),
        handle() {},
        stop: (timer) => clearInterval(timer),
      },
    });
    await runtime.connect();
    const own = setTimeout(() => {}, 10_000);
    await runtime.close();
    expect(Reflect.get(own, "_destroyed")).toBe(false);
    clearTimeout(own);
  });

  test("counts for its own runtime alone, however many timers there were", async () => {
    const clean = createTestRuntime({
      handler() {
        for (let i = 0; i < 1_000; i++) clearTimeout(setTimeout(() => {}, 1_000));
      },
    });
    await clean.connect();
    const error = await leak((event) => void (event.type === "message" && setTimeout(() => {}, 10_000)));
    expect(error?.code).toBe("TIMER_LEAKED");
    await clean.close();
  });

  test('is not looked for with failures: "supervise"', async () => {
    let timer: NodeJS.Timeout | undefined;
    const handler: HandlerFunction = (event) => {
      if (event.type === "message") timer = setTimeout(() => {}, 10_000);
    };
    expect(await leak(handler, { failures: "supervise" })).toBe(undefined);
    clearTimeout(timer);
  });
});

test("a runtime that is disposed of is closed", async () => {
  const runtime = createTestRuntime({ handler() {} });
  {
    await using used = runtime;
    await used.connect();
  }
  expect([runtime.server.isReady, runtime.server.stats().connections]).toEqual([false, 0]);
});

test("a logger of the test gets what the server logs", async () => {
  const logger = new Lines("debug");
  await using runtime = createTestRuntime({ logger, handler() {} });
  await runtime.connect();
  expect(logger.at("info")[0]).toEqual(["listening", { url: "ws://memory:0/" }]);
  expect(logger.at("debug")[0]?.[0]).toBe("event");
});

test.each([undefined, null, "handler", () => {}])(
  "a runtime whose options are %j is refused with BAD_OPTION",
  (options) => {
    expect(() => createTestRuntime(options as never)).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", option: "options" }),
    );
  },
);
