/** The trace of an explored run does not depend on the log: not on the logger, on its level, or on the words of a line. */
import type { HandlerFunction, Logger } from "sendall";
import { ExploreFailure, explore, SendallError, type TestRuntimeOptions, type TraceStep } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
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
