/** What is logged and kept of the handler's failures (design, supervision). */
import type { Failure } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
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

  test("that rejects is one too", async () => {
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
