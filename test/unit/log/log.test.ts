/** What is logged, at which level, and what never is (docs/guides/logging.md). */
import { type LoggerOptions, type Logger as Pino, pino } from "pino";
import type { ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test, vi } from "vitest";
import type { Logger } from "../../../src/runtime/logger.js";
import { Lines } from "../stage.js";
import { UNREADABLE } from "../unreadable.js";

const SECRET = "s3cret";

test("each kind of line has its level, and no payload, cookie or query is in any of them", async () => {
  const logger = new Lines("trace");
  const runtime = createTestRuntime({
    logger,
    failures: "supervise",
    outbox: { maxBufferedBytes: 100 },
    authorize: ({ query }) => ({ token: query.get("token") }),
    async handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text.startsWith("throw")) throw new Error("the handler failed");
      if (event.text.startsWith("sleep")) await bus.sleep(2_000);
      bus.sendall(event.data);
    },
  });
  const headers = { cookie: `session=${SECRET}` };
  const query = { token: SECRET };
  const client = await runtime.connect({ headers, query });
  const stalled = await runtime.connect({ headers, query });
  await expect(
    runtime.connect({ headers: { ...headers, origin: "https://evil.example" }, query }),
  ).rejects.toMatchObject({ status: 403 });
  for (const word of ["say", "throw", "sleep"]) client.send(`${word} ${SECRET}`);
  await runtime.advance(3_000);
  stalled.stall();
  for (let i = 0; i < 3; i++) client.send(`${SECRET}`.repeat(20));
  await runtime.settle();
  client.fail();
  await runtime.settle();
  await runtime.close();

  const texts = (level: "debug" | "info" | "warn" | "error"): string[] =>
    [...new Set(logger.at(level).map(([text]) => text))].sort();
  expect(texts("debug")).toEqual(["event", "frame"]);
  expect(texts("info")).toEqual(["closing", "connection closed", "connection opened", "listening"]);
  expect(texts("warn")).toEqual(["connection lost", "slow consumer", "slow handler", "upgrade refused"]);
  expect(texts("error")).toEqual(["handler failed"]);
  expect(JSON.stringify(logger.lines)).not.toContain(SECRET);
});

/** A logger of pino's, and the lines that it has written. */
function written(options: LoggerOptions = {}): { logger: Pino; lines: string[]; texts: (text: string) => unknown[] } {
  const lines: string[] = [];
  const logger = pino(options, { write: (line) => void lines.push(line) });
  const texts = (text: string) => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === text);
  return { logger, lines, texts };
}

/** Throws what it is asked for, at once or later; else answers. */
function throws(make: () => unknown) {
  return (event: ServerEvent, bus: { unicast(data: string, to: unknown): unknown }): unknown => {
    if (event.type !== "message") return undefined;
    if (event.text === "at once") throw make();
    if (event.text === "later") return Promise.reject(make());
    return bus.unicast("answer", event.connection);
  };
}

describe("what a handler throws and nobody can read", () => {
  test.each(UNREADABLE)("costs one event, one failure and one line: %s", async (_what, make) => {
    const { logger, texts } = written();
    await using runtime = createTestRuntime({ logger, failures: "supervise", handler: throws(make) });
    const [bad, good] = [await runtime.connect(), await runtime.connect()];
    for (const word of ["at once", "later", "hello"]) bad.send(word);
    good.send("hello");
    await runtime.settle();
    expect([bad.take(), good.take(), bad.closed, good.closed]).toEqual([["answer"], ["answer"], undefined, undefined]);
    expect(runtime.server.stats().failures.map(({ event }) => event)).toEqual(["message", "message"]);
    const line = { level: 50, event: "message", connection: bad.id };
    expect(texts("handler failed")).toMatchObject([line, line]);
  });

  test("is told as far as it can be read", async () => {
    const { logger, texts } = written();
    const things: unknown[] = [
      Object.freeze(Object.assign(new TypeError("frozen"), { code: "E_COLD" })),
      new AggregateError([Object.freeze(new Error("part")), "words"], "all", {
        cause: Object.freeze(new Error("why")),
      }),
      Object.defineProperty(new RangeError("x"), "message", { get: () => expect.fail() }),
    ];
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      handler(event) {
        if (event.type === "message") throw things[Number(event.text)];
      },
    });
    const client = await runtime.connect();
    for (const i of things.keys()) client.send(String(i));
    await runtime.settle();
    const stack = expect.stringMatching(/\n +at .*log\.test/);
    expect(texts("handler failed")).toMatchObject([
      { err: { type: "TypeError", message: "frozen", code: "E_COLD", stack } },
      {
        err: {
          type: "AggregateError",
          message: "all: why",
          stack,
          aggregateErrors: [{ type: "Error", message: "part" }, '"words"'],
        },
      },
      { err: { type: "RangeError", message: "an error whose message cannot be read" } },
    ]);
  });
});

describe("what authorize throws or returns and nobody can read", () => {
  test.each(UNREADABLE)("costs one request and one line: %s", async (_what, make) => {
    const { logger, texts } = written();
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      authorize({ query }) {
        if (query.has("throw")) throw make();
        return make() as Record<string, unknown>;
      },
      handler() {},
    });
    await expect(runtime.connect({ query: { throw: "" } })).rejects.toMatchObject({ status: 500 });
    expect(texts("authorize failed")).toMatchObject([{ level: 50, path: "/" }]);
    await runtime.connect().catch((error: unknown) => expect(error).toMatchObject({ status: 500 }));
    expect(runtime.server.isReady).toBe(true);
  });
});

describe("a logger of the user's that throws", () => {
  const thrower = (): never => {
    throw new Error("the logger is broken");
  };
  const broken = (more: Partial<Logger>): Logger => ({
    level: "debug",
    debug: thrower,
    info: thrower,
    warn: thrower,
    error: thrower,
    child: () => broken(more),
    ...more,
  });

  test.each<[how: string, logger: Logger]>([
    ["at every line", broken({})],
    ["when it is asked for a child", broken({ child: thrower })],
    ["when it is asked for its level", Object.defineProperty(broken({}), "level", { get: thrower })],
    ["in a promise", broken({ info: async () => thrower(), error: async () => thrower() })],
    ["in its mixin", pino({ mixin: thrower }, { write() {} })],
    ["in a serializer", pino({ serializers: { connection: thrower, err: thrower } }, { write() {} })],
    ["in a formatter", pino({ formatters: { log: thrower } }, { write() {} })],
    ["in a hook", pino({ hooks: { logMethod: thrower } }, { write() {} })],
    ["in its stream", pino({ level: "trace" }, { write: thrower })],
  ])("%s costs nobody anything", async (_how, logger) => {
    const runtime = createTestRuntime({ logger, failures: "supervise", handler: throws(() => new Error("x")) });
    const client = await runtime.connect();
    for (const word of ["at once", "later", "hello"]) client.send(word);
    await runtime.settle();
    expect([client.take(), runtime.server.stats().failures.length]).toEqual([["answer"], 2]);
    await runtime.close();
    expect(client.closed).toEqual({ code: 1001, reason: "going away" });
  });

  test("at some details gets the line without them", async () => {
    const { logger, texts } = written({ serializers: { connection: thrower } });
    await using runtime = createTestRuntime({ logger, failures: "supervise", handler: throws(() => new Error("x")) });
    const client = await runtime.connect();
    client.send("at once");
    await runtime.settle();
    expect(texts("handler failed")).toHaveLength(1);
  });

  test("is told how many lines are lost when it takes one again", async () => {
    const users = new Lines();
    const write = vi.spyOn(users, "info").mockImplementation(thrower);
    await using runtime = createTestRuntime({ logger: users, handler() {} });
    const client = await runtime.connect();
    write.mockRestore();
    await runtime.connect();
    client.close();
    await runtime.settle();
    // "listening" and the first "connection opened".
    expect(users.at("warn")).toEqual([["lines of the log are lost: the logger has thrown", { dropped: 2 }]]);
  });

  test("may change its level while the server runs", async () => {
    // The server's own is a child of it.
    const children = vi.fn<(child: Pino) => void>();
    const { logger, texts } = written({ onChild: children });
    await using runtime = createTestRuntime({ logger, handler() {} });
    const client = await runtime.connect();
    client.send("unheard");
    await runtime.settle();
    expect(texts("event")).toEqual([]);
    const own = children.mock.calls[0]?.[0];
    if (own === undefined) throw new Error("it has made no child");
    own.level = "debug";
    client.send("heard");
    await runtime.settle();
    expect(texts("event")).toHaveLength(1);
  });
});

describe("a line of the log", () => {
  /** What stands in it beside what a peer has sent: its level, time, process, names. */
  const MAX_LINE_BYTES = 2_300;

  test.each<[what: string, said: string]>([
    ["long", "x".repeat(1_000_000)],
    ["of control characters", "\u0001".repeat(100_000)],
    ["of characters of three bytes", "\u20ac".repeat(100_000)],
    ["of halves of characters", "\ud83d".repeat(100_000)],
    ["of quotation marks", '"'.repeat(100_000)],
    ["not quite long", "\u0001".repeat(300)],
  ])("is about 2 KB at most when what a peer has sent stands in the error: %s", async (_what, said) => {
    const { logger, lines } = written();
    const make: ((text: string) => unknown)[] = [
      (text) => new Error(text),
      (text) => text,
      (text) => ({ text }),
      (text) => ({ message: text, stack: text, name: text, code: text }),
      (text) => Object.assign(new Error("x"), { text }),
      (text) => Object.assign(new Error("x"), { list: Array.from({ length: 1_000 }, () => text.slice(0, 10)) }),
      (text) => Object.assign(new Error("x"), { bytes: Buffer.from(text) }),
      (text) => Object.assign(new Error("x"), { [text]: 1 }),
      (text) => new Error("x", { cause: new Error(text, { cause: new Error(text, { cause: new Error(text) }) }) }),
      (text) =>
        new AggregateError(
          Array.from({ length: 100 }, () => new Error(text)),
          text,
        ),
      (text) => Object.assign(new Error("x"), { name: text, code: text, stack: text }),
      (text) => Object.assign(new Error("x"), { toJSON: () => text }),
    ];
    await using runtime = createTestRuntime({
      logger,
      failures: "supervise",
      supervise: { intensity: 1_000 },
      maxPayloadBytes: 10_000_000,
      handler(event) {
        const next = event.type === "message" ? make.shift() : undefined;
        if (event.type === "message" && next !== undefined) throw next(event.text);
      },
    });
    const client = await runtime.connect();
    const { length } = make;
    for (let i = 0; i < length; i++) client.send(said);
    await runtime.settle();
    const failed = lines.filter((line) => line.includes("handler failed"));
    expect(failed).toHaveLength(length);
    expect(Math.max(...failed.map((line) => Buffer.byteLength(line)))).toBeLessThan(MAX_LINE_BYTES);
    expect(failed[0]).toContain(`${JSON.stringify(said.slice(0, 20)).slice(1, -1).replaceAll("\\ud83d", "\ufffd")}`);
  });

  test("has what is not long as it is, with its class and its stack", async () => {
    class ChatError extends Error {}
    const logger = new Lines();
    const error = Object.assign(new ChatError("no such room"), { room: "lobby", cause: new Error("why") });
    await using runtime = createTestRuntime({ logger, failures: "supervise", handler: throws(() => error) });
    const client = await runtime.connect();
    client.send("at once");
    await runtime.settle();
    expect(logger.at("error")[0]?.[1].err).toBe(error);
  });
});
