/** What is logged and kept of the handler's failures (ARCHITECTURE.md). */
import { type Failure, SendallError } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { heapInUse } from "../../e2e/peers.js";
import { Lines } from "../stage.js";
import { failOn, failures } from "./failing.js";

describe("a failure", () => {
  test("is logged with its stack, the event and the connection, and listed", async () => {
    const logger = new Lines();
    await using runtime = createTestRuntime({ logger, failures: "supervise", handler: failOn });
    const client = await runtime.connect();
    await runtime.advance(7);
    client.send("throw it");
    await runtime.settle();
    const [failure] = runtime.server.stats().failures;
    expect(failure).toEqual({
      at: 7,
      event: "message",
      connection: client.id,
      error: new Error("throw it"),
      data: "throw it",
    });
    expect(logger.at("error")).toEqual([
      ["handler failed", { err: failure?.error, event: "message", connection: client.id }],
    ]);
  });

  test("may be the rejection of an async handler", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      async handler(event, bus) {
        await bus.sleep(0);
        failOn(event);
      },
    });
    const client = await runtime.connect();
    await runtime.advance(0);
    client.send("throw late");
    await runtime.advance(0);
    expect(failures(runtime)).toEqual(["message: throw late"]);
  });

  test("keeps of an error its class, name, message, stack and code, each cut, with room for where it happened", async () => {
    class ChatError extends Error {}
    const long = "x".repeat(1_000_000);
    const things: unknown[] = [
      new TypeError(long),
      Object.assign(new ChatError("no such room"), { code: 404, room: {}, cause: new Error("why") }),
      new SendallError("BAD_DATA", "no"),
      Object.freeze(Object.assign(new Error("\u20ac".repeat(1_000)), { code: "E_EURO" })),
    ];
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 100 },
      handler(event) {
        if (event.type === "message") throw things[Number(event.text)];
      },
    });
    const client = await runtime.connect();
    for (const i of things.keys()) client.send(String(i));
    await runtime.settle();
    const errors = runtime.server.stats().failures.map(({ error }) => error as Error & { code?: unknown });
    const [type, chat, ours, euro] = errors;
    expect(type).toBeInstanceOf(TypeError);
    expect([type?.name, type?.message]).toEqual(["TypeError", "x".repeat(1_024)]);
    expect(type?.stack).toMatch(/^TypeError: x{200,300}\.\.\.\n +at .*failures\.test/);
    expect(chat).toBeInstanceOf(Error);
    expect(chat).toMatchObject({ name: "ChatError", message: "no such room", code: 404 });
    expect([chat?.cause, Object.keys(chat ?? {})]).toEqual([undefined, ["name", "code"]]);
    expect(ours).toBeInstanceOf(SendallError);
    expect(ours?.code).toBe("BAD_DATA");
    expect(euro).toMatchObject({ message: "\u20ac".repeat(341), code: "E_EURO" });
    for (const { stack = "" } of errors) expect(Buffer.byteLength(stack)).toBeLessThanOrEqual(4_096);
  });

  test("of an error that quotes a whole long message keeps none of it alive", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1_000 },
      handler(event) {
        if (event.type !== "info") return;
        const text = `${event.data}`.padEnd(1_000_000, "x");
        if (event.data === 0) throw text;
        const error = new Error(`bad message: ${text}`, { cause: new Error(text) });
        throw Number(event.data) % 2 === 0 ? error : Object.assign(new Error(text.slice(0, 100)), { text });
      },
    });
    await runtime.settle();
    const before = heapInUse();
    for (let i = 0; i < 110; i++) {
      runtime.server.tell(i);
      await runtime.settle();
    }
    expect(runtime.server.stats().failures).toHaveLength(100);
    expect(heapInUse() - before).toBeLessThan(5_000_000);
  });

  test("of what is no error is kept in words, but for primitive values", async () => {
    const things: readonly unknown[] = [
      null,
      7,
      true,
      "x".repeat(2_000),
      { a: 1 },
      [1],
      new Map(),
      () => {},
      Symbol("s"),
    ];
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 100 },
      handler(event) {
        if (event.type === "info") throw things[Number(event.data)];
      },
    });
    for (const i of things.keys()) runtime.server.tell(i);
    await runtime.settle();
    expect(runtime.server.stats().failures.map(({ error }) => error)).toEqual([
      null,
      7,
      true,
      "x".repeat(1_024),
      '{"a":1}',
      "[1]",
      "an object of class Map",
      "a function",
      "Symbol(s)",
    ]);
  });

  test("of anything but an Error is kept as it is", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler() {
        throw undefined;
      },
    });
    await runtime.connect();
    expect(runtime.server.stats().failures).toMatchObject([{ event: "open", error: undefined }]);
  });

  test("keeps at most 1 KiB of the message, as a copy", async () => {
    const kept: Failure["data"][] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler(event) {
        if (event.type !== "message") return;
        if (typeof event.data !== "string") queueMicrotask(() => Buffer.isBuffer(event.data) && event.data.fill(0));
        throw new Error("thrown");
      },
    });
    const client = await runtime.connect();
    client.send("x".repeat(2_000));
    client.send(Buffer.alloc(2_000, 1));
    await runtime.settle();
    kept.push(...runtime.server.stats().failures.map(({ data }) => data));
    expect(kept).toEqual(["x".repeat(1_024), Buffer.alloc(1_024, 1)]);
  });

  test("keeps nothing of the message with keepData: false", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { keepData: false },
      handler: failOn,
    });
    const client = await runtime.connect();
    client.send("throw");
    await runtime.settle();
    const [failure = {}] = runtime.server.stats().failures;
    expect("data" in failure).toBe(false);
  });

  test("beyond the hundredth drops the oldest from the list", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1_000 },
      handler: failOn,
    });
    for (let i = 0; i < 130; i++) runtime.server.tell(i);
    await runtime.settle();
    expect(failures(runtime)).toEqual(Array.from({ length: 100 }, (_, i) => `info: ${i + 30}`));
  });
});
