/** The trace of an explored run does not depend on the log: not on the logger, on its level, or on the words of a line. */
import type { HandlerFunction, Logger } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { ExploreFailure, explore, SendallError, type TestRuntimeOptions, type TraceStep } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { Lines } from "../stage.js";

const log = vi.hoisted(() => ({ isReworded: false }));

// Every line of a server goes through the logger that `createLogger` makes.
vi.mock("../../../src/log/log.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../../src/log/log.js")>();
  const reword = (logger: Logger): Logger => ({
    get level() {
      return logger.level;
    },
    debug: () => logger.debug({}, "other words"),
    info: () => logger.info({}, "other words"),
    warn: () => logger.warn({}, "other words"),
    error: () => logger.error({}, "other words"),
    child: (bindings) => reword(logger.child(bindings)),
  });
  return {
    ...original,
    createLogger: (...args: Parameters<typeof original.createLogger>) =>
      log.isReworded ? reword(original.createLogger(...args)) : original.createLogger(...args),
  };
});

afterEach(() => {
  log.isReworded = false;
});

const handler: HandlerFunction = (event, bus) => {
  if (event.type === "open") bus.after(10, "alarm");
  if (event.type === "info") bus.sendall(String(event.data));
  if (event.type === "message") throw new Error("a bad message");
};

/** The trace of a run in which clients are let in, refused, sent an alarm and closed, and the handler fails. */
async function traceWith(options: Pick<TestRuntimeOptions, "logger">): Promise<readonly TraceStep[]> {
  const error: unknown = await explore(
    async ({ runtime }) => {
      const chat = runtime({ ...options, failures: "supervise", routes: { "/": { handler } } });
      const ann = await chat.connect({ name: "ann" });
      const bob = await chat.connect({ name: "bob" });
      await chat.connect({ name: "eve", path: "/nowhere" }).catch(() => {});
      ann.send("bad");
      bob.close();
      await chat.advance(20);
      // `explore` does not shorten a run that fails with this code: the trace has every step.
      throw new SendallError("NOT_SETTLED", "the end");
    },
    { runs: 1 },
  ).catch((failure: unknown) => failure);
  if (error instanceof ExploreFailure) return error.trace;
  throw error;
}

class ThrowingLogger extends Lines {
  override debug(): void {
    throw new Error("a broken logger");
  }
  override error(): void {
    throw new Error("a broken logger");
  }
}

/** What the trace says that ann sends, and what bob reads. */
async function wordsFor(message: string | Buffer): Promise<string[]> {
  const error: unknown = await explore(
    async ({ runtime }) => {
      const chat = runtime({
        handler: (event, bus) => event.type === "message" && bus.broadcast(event.data, event.connection),
      });
      const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      ann.send(message);
      await chat.settle();
      throw new Error(`bob has read ${bob.received.length}`);
    },
    { runs: 1 },
  ).catch((failure: unknown) => failure);
  if (!(error instanceof ExploreFailure)) throw error;
  return error.trace.filter(({ did }) => ["sends", "reads"].includes(did)).map(({ what }) => what);
}

describe("a message in a trace", () => {
  test.each<[what: string, text: string, shown: string]>([
    ["is in double quotes", "hi", '"hi"'],
    ["with a single quote is in double quotes", "it's", `"it's"`],
    ["with a line end is on a single line", "two\nlines", '"two\\nlines"'],
    ["of JSON is in single quotes, without backslashes", `{"type":"x"}`, `'{"type":"x"}'`],
    ["with both kinds of quotes has a backslash before the single ones", `{"says":"it's"}`, `'{"says":"it\\'s"}'`],
    ["with backslashes before quotes keeps them apart", `\\"a\\\\"`, `'\\\\"a\\\\\\\\"'`],
    ["of 120 characters is whole", "x".repeat(120), `"${"x".repeat(120)}"`],
    ["of more than 120 characters is cut", "x".repeat(121), `"${"x".repeat(120)}"...`],
    ["of JSON of more than 120 characters is cut", `"${"x".repeat(120)}`, `'"${"x".repeat(119)}'...`],
    ["is not cut within a character", `${"x".repeat(119)}\u{1F600}`, `"${"x".repeat(119)}"...`],
  ])("%s", async (_what, text, shown) => {
    expect(await wordsFor(text)).toEqual([shown, shown]);
  });

  test("of bytes is shown as their number", async () => {
    expect(await wordsFor(Buffer.from('{"type":"x"}'))).toEqual(["12 bytes", "12 bytes"]);
  });

  test("of 60 characters and more is still cut to 60 in an error message", async () => {
    const thrown = await explore(() => Promise.reject("y".repeat(100)), { runs: 1 }).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ message: expect.stringContaining(`fails: "${"y".repeat(56)}...\n`) });
  });
});

test("a trace has names and payloads of a protocol's messages, calls and answers in single quotes, both ways", async () => {
  const count = protocol({
    fromClient: {
      add: z.number(),
      reset: z.undefined(),
      sum: { input: z.undefined(), output: z.number() },
      name: { input: z.string(), output: z.void() },
    },
    fromServer: { added: z.string() },
  });
  const counting = count.handler({
    init: () => 0,
    add(number, { state, setState, bus }) {
      setState(state + number);
      bus.sendall(count.fromServer.added(`it's ${state + number}`));
    },
    reset(_, { setState }) {
      setState(0);
    },
    sum: (_, { state }) => state,
    name(name) {
      if (name === "none") throw refuse("NONE");
    },
  });
  const failure: unknown = await explore(
    async ({ runtime }) => {
      const server = runtime({ handler: counting });
      const ann = await server.connect({ name: "ann" });
      for (const frame of [
        '["add",5]',
        '["sum",1]',
        '["reset"]',
        '["name","x",2]',
        '["name","none",3]',
        "[8]",
        '["add"]',
      ]) {
        ann.send(frame);
        await server.settle();
      }
      // `explore` does not shorten a run that fails with this code: the trace has every step.
      throw new SendallError("NOT_SETTLED", "the end");
    },
    { runs: 1 },
  ).catch((thrown: unknown) => thrown);
  if (!(failure instanceof ExploreFailure)) throw failure;
  const lines = failure.trace.filter(({ actor }) => actor === "ann").map(({ did, what }) => `${did} ${what}`);
  expect(lines.slice(1)).toEqual([
    `sends '["add",5]'`,
    `reads '["added","it\\'s 5"]'`,
    `sends '["sum",1]'`,
    `reads '[1,5]'`,
    `sends '["reset"]'`,
    `sends '["name","x",2]'`,
    `reads '[2]'`,
    `sends '["name","none",3]'`,
    `reads '[3,null,{"reason":"NONE","message":"NONE"}]'`,
    `sends '[8]'`,
    expect.stringMatching(/^reads '\["!",\{"reason":"INVALID_MESSAGE",.*'$/),
    `sends '["add"]'`,
    expect.stringMatching(/^reads '\["!",\{"reason":"INVALID_MESSAGE",.*'$/),
  ]);
});

describe("a trace", () => {
  test("has what the observers tell: who is let in, what is handled, and what fails", async () => {
    const trace = await traceWith({});
    const lines = trace.map(({ actor, did, what }) => `${actor} ${did} ${what}`.trimEnd());
    expect(lines).toEqual(
      expect.arrayContaining([
        "ann connects /",
        "eve is refused 404",
        expect.stringMatching(/^server handles .*message of ann, "message" fails/),
        "time goes on to 10 ms",
        expect.stringMatching(/^server handles .*info/),
      ]),
    );
  });

  test.each<[what: string, logger: () => Logger | false]>([
    ["no logger", () => false],
    ...["trace", "debug", "info", "warn", "error", "fatal", "silent"].map((level): [string, () => Logger] => [
      `a logger at ${level}`,
      () => new Lines(level),
    ]),
    ["a logger that throws", () => new ThrowingLogger("debug")],
  ])("is the same with %s as without the option", async (_what, logger) => {
    expect(await traceWith({ logger: logger() })).toEqual(await traceWith({}));
  });

  test.each(["debug", "info"])(
    "at %s is the same if each line of the log has other words and no details",
    async (level) => {
      const [original, reworded] = [new Lines(level), new Lines(level)];
      const trace = await traceWith({ logger: original });
      log.isReworded = true;
      expect(await traceWith({ logger: reworded })).toEqual(trace);
      const texts = (lines: Lines): Set<string> => new Set(lines.lines.map(({ text }) => text));
      expect(texts(original).size).toBeGreaterThan(1);
      expect(texts(reworded)).toEqual(new Set(["other words"]));
    },
  );
});
