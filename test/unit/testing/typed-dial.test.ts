/** Typed clients of `sendall/client` in virtual time: of `runtime.dial`, and of `connect` with `runtime.WebSocket`. */
import { connect } from "sendall/client";
import { protocol, refuse } from "sendall/protocol";
import { createTestRuntime, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    wait: { input: z.number(), output: z.string() },
    fail: { input: z.undefined(), output: z.void() },
  },
  fromServer: { said: z.object({ text: z.string().transform((text) => text.toUpperCase()) }), left: z.number() },
});
const { said, left } = chat.fromServer;

function createChat(options: Partial<TestRuntimeOptions> = {}): TestRuntime {
  return createTestRuntime({
    heartbeat: false,
    ...options,
    handler: chat.handler({
      say({ text }, { bus }) {
        if (text === "spam") throw refuse("SPAM");
        bus.sendall(said({ text }));
      },
      async wait(ms, { connection, bus }) {
        await bus.sleep(ms);
        connection.send(left(0));
        return "done";
      },
      fail() {
        throw new Error("a secret");
      },
    }),
  } as TestRuntimeOptions);
}

describe("a typed client of dial", () => {
  test("sends and calls, has listeners, and next by name", async () => {
    await using runtime = createChat();
    const heard: string[] = [];
    const ann = runtime.dial("/", { protocol: chat, name: "ann", on: { said: ({ text }) => heard.push(text) } });
    ann.on("left", (number) => heard.push(`${number} left`));
    expect(await ann.call("wait", 100)).toBe("done");
    expect(runtime.now()).toBe(100);
    ann.send("say", { text: "hi" });
    expect(await ann.next("said")).toEqual({ text: "HI" });
    expect(await ann.next("left")).toBe(0);
    expect(heard).toEqual(["0 left", "HI"]);
    expect([ann.name, ann.state]).toEqual(["ann", "open"]);
    expect(ann.received).toEqual(['["left",0]', '[1,"done"]', '["said",{"text":"hi"}]']);
    expect(ann.take()).toEqual([]);
  });

  test("gets frames as they came by next without a name, bytes among them", async () => {
    await using runtime = createChat();
    const ann = runtime.dial("/", { protocol: chat });
    ann.send("say", { text: "hi" });
    await runtime.settle();
    runtime.server.sendall(Buffer.from("b"));
    expect(await ann.next()).toBe('["said",{"text":"hi"}]');
    expect(await ann.next()).toEqual(Buffer.from("b"));
    await expect(ann.next("said")).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: expect.stringMatching(/^the dialled client \(connection-1\) waits for a message "said", /),
    });
    await expect((ann.next as (name: string) => unknown)("say")).rejects.toMatchObject({ code: "BAD_DATA" });
  });

  test("hears in onError what the server refuses, and of invalid messages", async () => {
    await using runtime = createChat();
    const codes: string[] = [];
    const ann = runtime.dial("/", { protocol: chat, onError: ({ code }) => codes.push(code) });
    ann.send("say", { text: "spam" });
    await runtime.settle();
    runtime.server.sendall("hello");
    await runtime.settle();
    expect(codes).toEqual(["MESSAGE_REFUSED", "INVALID_MESSAGE"]);
  });

  test("has the handler's error as the cause of CALL_FAILED", async () => {
    await using runtime = createChat();
    const ann = runtime.dial("/", { protocol: chat });
    await expect(ann.call("fail")).rejects.toMatchObject({
      code: "CALL_FAILED",
      cause: { message: expect.stringContaining("a secret") },
    });
  });

  test("loses its calls with the socket, and calls again when it is back", async () => {
    await using runtime = createChat();
    const ann = runtime.dial("/", { protocol: chat, reconnect: { minMs: 1_000, jitter: 0 } });
    const call = ann.call("wait", 100);
    await runtime.settle();
    ann.disconnect();
    await expect(call).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(runtime.now()).toBe(0);
    expect(await ann.call("wait", 100)).toBe("done");
    expect(runtime.now()).toBe(1_100);
  });

  test("keeps its calls over a lost socket on a session", async () => {
    await using runtime = createChat({ resume: true });
    const ann = runtime.dial("/", { protocol: chat, reconnect: { minMs: 1_000, jitter: 0 } });
    const call = ann.call("wait", 100);
    await runtime.settle();
    ann.disconnect();
    expect(await call).toBe("done");
    expect(runtime.now()).toBe(1_000);
    expect(await ann.next("left")).toBe(0);
  });

  test("times out in virtual time, also before it is connected", async () => {
    await using runtime = createChat();
    const ann = runtime.dial("/", { protocol: chat, reconnect: { minMs: 60_000, jitter: 0 } });
    await runtime.settle();
    ann.disconnect();
    await runtime.settle();
    expect(ann.state).toBe("waiting");
    await expect(ann.call("wait", 1)).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    expect(runtime.now()).toBe(5_000);
  });

  test("ends with the runtime, and so do its calls", async () => {
    const runtime = createChat();
    const ann = runtime.dial("/", { protocol: chat, reconnect: { minMs: 60_000, jitter: 0 } });
    await runtime.settle();
    ann.disconnect();
    await runtime.settle();
    const call = ann.call("wait", 100);
    await runtime.close();
    await expect(call).rejects.toMatchObject({ code: "CLOSED" });
    expect(ann.state).toBe("closed");
  });

  test.each(["chat", {}, null])("is refused for %j as a protocol", (wrong) => {
    const runtime = createChat();
    expect(() => runtime.dial("/", { protocol: wrong as never })).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", option: "protocol" }),
    );
  });
});

describe("a typed client of connect with the runtime's WebSocket", () => {
  test("calls in virtual time: an answer, and a timeout", async () => {
    await using runtime = createChat();
    const heard: string[] = [];
    const client = connect("ws://memory/", {
      protocol: chat,
      WebSocket: runtime.WebSocket,
      on: { said: ({ text }) => heard.push(text) },
    });
    const calls = [client.call("wait", 100), client.call("wait", 6_000, { timeoutMs: 500 })];
    client.send("say", { text: "hi" });
    const settled = Promise.allSettled(calls);
    await runtime.advance(500);
    expect(await settled).toMatchObject([{ value: "done" }, { reason: { code: "CALL_TIMEOUT" } }]);
    expect(heard).toEqual([]);
    await runtime.advance(6_000);
    expect(heard).toEqual(["HI"]);
    client.close();
  });
});
