/** The typed test client: `runtime.connect({ protocol })`. */
import { reject } from "sendall";
import { type Protocol, protocol, refuse } from "sendall/protocol";
import {
  createTestRuntime,
  explore,
  type TestRuntime,
  type TestRuntimeOptions,
  type TypedTestClient,
} from "sendall/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string().max(500) }),
    typing: z.undefined(),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    wait: { input: z.object({ ms: z.number() }), output: z.string() },
    fail: { input: z.undefined(), output: z.void() },
  },
  fromServer: {
    said: z.object({ text: z.string().transform((text) => text.toUpperCase()) }),
    joined: z.object({ room: z.string() }),
    typed: z.undefined(),
  },
});
type Spec = typeof chat extends Protocol<infer S> ? S : never;
const { said, joined, typed } = chat.fromServer;

const handler = chat.handler({
  say({ text }, { bus }) {
    if (text === "spam") throw refuse("SPAM", "no spam, please", { limit: 1 });
    bus.sendall(said({ text }));
  },
  typing(_, { connection, bus }) {
    bus.broadcast(typed(), connection);
  },
  join({ room }, { connection, bus }) {
    if (room === "full") throw refuse("FULL", "the room is full", { room });
    connection.join(room);
    connection.send(joined({ room }));
    return { members: bus.members(room).length };
  },
  async wait({ ms }, { bus }) {
    if (ms < 0) await new Promise(() => {});
    await bus.sleep(ms);
    return "done";
  },
  fail() {
    throw new Error("a secret");
  },
});

function createChat(options: Partial<TestRuntimeOptions> = {}): TestRuntime {
  return createTestRuntime({ heartbeat: false, ...options, handler: options.handler ?? handler } as TestRuntimeOptions);
}

describe("a typed test client", () => {
  test("sends by name, and gets the payloads of a name as the schema hands them out", async () => {
    await using runtime = createChat();
    const [ann, bob] = [await runtime.connect({ protocol: chat }), await runtime.connect({ protocol: chat })];
    expect(ann.send("say", { text: "hi" })).toBe(true);
    ann.send("typing");
    expect(await bob.next("typed")).toBe(undefined);
    expect(await bob.next("said")).toEqual({ text: "HI" });
    expect(bob.received).toEqual(['["said",{"text":"hi"}]', '["typed"]']);
  });

  test("keeps messages of other names for their own next, and each message once", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    await ann.call("join", { room: "a" });
    ann.send("say", { text: "1" });
    await ann.call("join", { room: "b" });
    ann.send("say", { text: "2" });
    const texts = [ann.next("said"), ann.next("said")];
    expect(await ann.next("joined")).toEqual({ room: "a" });
    expect(await Promise.all(texts)).toEqual([{ text: "1" }, { text: "2" }]);
    expect(ann.take()).toEqual(['["joined",{"room":"b"}]']);
    await expect(ann.next("joined")).rejects.toMatchObject({ code: "NO_MESSAGE" });
  });

  test("gets frames as they came by next without a name, in order with the frames that were taken by name", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    for (const text of ["1", "2", "3"]) ann.send("say", { text });
    await runtime.settle();
    expect(await ann.next()).toBe('["said",{"text":"1"}]');
    expect(await ann.next("said")).toEqual({ text: "2" });
    expect(await ann.next()).toBe('["said",{"text":"3"}]');
  });

  test("takes nothing by name that take has taken", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    ann.send("say", { text: "old" });
    await runtime.settle();
    expect(ann.take().length).toBe(1);
    ann.send("say", { text: "new" });
    expect(await ann.next("said")).toEqual({ text: "NEW" });
  });

  test("sends a frame as given, and gets an answer that no call of its own has asked for as a frame", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    ann.sendRaw('["join",{"room":"a"},7]');
    expect(await ann.next("joined")).toEqual({ room: "a" });
    expect(ann.take()).toEqual(['[7,{"members":1}]']);
  });

  test("calls, and the answer is no frame for take and next", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    expect(await ann.call("join", { room: "a" })).toEqual({ members: 1 });
    expect(ann.take()).toEqual(['["joined",{"room":"a"}]']);
    expect(ann.received).toEqual(['["joined",{"room":"a"}]', '[1,{"members":1}]']);
  });

  test("has the verbs and the marks of a test client", async () => {
    await using runtime = createChat({ protocols: ["one"] });
    const ann = await runtime.connect({ protocol: chat, name: "ann", protocols: ["one"], path: "/" });
    expect([ann.id, ann.name, ann.protocol, ann.closed]).toEqual(["connection-1", "ann", "one", undefined]);
    const bob = await runtime.connect({ protocol: chat });
    bob.stall();
    ann.send("say", { text: "hi" });
    await expect(bob.next("said")).rejects.toMatchObject({ code: "NO_MESSAGE" });
    bob.resume();
    expect(await bob.next("said")).toEqual({ text: "HI" });
    ann.close(4000, "bye");
    await runtime.settle();
    expect(ann.closed).toEqual({ code: 4000, reason: "bye" });
    expect(ann.send("say", { text: "late" })).toBe(false);
  });
});

describe("next of a typed test client", () => {
  test("with nothing on its way rejects, and tells the name and what was received last", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat, name: "ann" });
    await ann.call("join", { room: "a" });
    await expect(ann.next("said")).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: expect.stringMatching(
        /^ann \(connection-1\) waits for a message "said", and none can come: .* Received last: '\[1,\{"members":1\}\]' \(message 2\)$/,
      ),
    });
  });

  test("of a closed client rejects with CLOSED, unless a message of the name was kept", async () => {
    const runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    ann.send("say", { text: "hi" });
    await runtime.settle();
    await runtime.close();
    expect(await ann.next("said")).toEqual({ text: "HI" });
    await expect(ann.next("said")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test.each(["toString", "__proto__", "say", undefined, 1])(
    "refuses %j, which the server does not say",
    async (name) => {
      await using runtime = createChat();
      const ann = await runtime.connect({ protocol: chat });
      const next = ann.next as (name: unknown) => Promise<unknown>;
      await expect(next(name)).rejects.toMatchObject({
        code: "BAD_DATA",
        message: expect.stringMatching(/^next: .* expected "said", "joined", "typed"$/),
      });
    },
  );
});

describe("an invalid message of the server", () => {
  test.each<[what: string, frame: string | Buffer, told: RegExp]>([
    ["with a wrong payload", '["said",{"text":5}]', /\["said",\{"text":5\}\]': said: text: /],
    ["of an unknown name", '["sung",{}]', /'\["sung",\{\}\]': .*sung/],
    ["that is no frame of a protocol", "hello", /"hello": /],
  ])("%s makes the next call of the runtime reject, and names the client and the frame", async (_what, frame, told) => {
    const runtime = createChat();
    const ann = await runtime.connect({ protocol: chat, name: "ann" });
    runtime.server.sendall(frame);
    const failure: unknown = await runtime.settle().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: "INVALID_MESSAGE",
      message: expect.stringMatching(told),
      issues: expect.anything(),
    });
    expect((failure as Error).message).toMatch(/^ann \(connection-1\) has got an invalid message /);
    expect(ann.errors).toMatchObject([{ code: "INVALID_MESSAGE" }]);
    await runtime.close();
  });

  test("makes connect reject if open sends the message, whatever failures says", async () => {
    const runtime = createChat({
      failures: "supervise",
      handler: (event, bus) => event.type === "open" && bus.unicast("hello", event.connection),
    });
    await expect(runtime.connect({ protocol: chat })).rejects.toMatchObject({ code: "INVALID_MESSAGE" });
    await runtime.close();
  });

  test("makes an explored run fail, with the frame in its trace", async () => {
    const failure: unknown = await explore(async ({ runtime }) => {
      const server = runtime({ handler: (event, bus) => event.type === "message" && bus.sendall("[8") });
      const ann = await server.connect({ protocol: chat, name: "ann" });
      ann.send("say", { text: "it's" });
      await ann.next("said");
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ cause: { code: "INVALID_MESSAGE" } });
    expect((failure as Error).message).toContain(`ann     sends '["say",{"text":"it\\'s"}]'`);
    expect((failure as Error).message).toContain(`ann     reads "[8"`);
  });

  test("is no binary frame: bytes are for next without a name", async () => {
    await using runtime = createChat({
      handler: (event, bus) => event.type === "open" && bus.sendall(Buffer.from("b")),
    });
    const ann = await runtime.connect({ protocol: chat });
    expect(await ann.next()).toEqual(Buffer.from("b"));
  });
});

describe("a refused message of a typed test client", () => {
  test("is among the errors, and lets the test go on", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    ann.send("say", { text: "spam" });
    await runtime.settle();
    expect(ann.errors).toMatchObject([{ code: "MESSAGE_REFUSED", reason: "SPAM", data: { limit: 1 } }]);
    ann.sendRaw('["say",{"text":5}]');
    await runtime.settle();
    expect(ann.errors[1]).toMatchObject({
      code: "MESSAGE_REFUSED",
      reason: "INVALID_MESSAGE",
      issues: [{ path: "text" }],
    });
    expect(await ann.next()).toMatch(/^\["!",\{"reason":"SPAM"/);
  });

  test("throws at once if the client's own schema refuses the payload", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    expect(() => ann.send("say", { text: "x".repeat(501) })).toThrow(
      expect.objectContaining({ code: "INVALID_MESSAGE", issues: [{ path: "text", message: expect.any(String) }] }),
    );
    expect(() => (ann.send as (name: string) => boolean)("shout")).toThrow(
      expect.objectContaining({ code: "BAD_DATA" }),
    );
    await runtime.settle();
    expect(runtime.server.stats().received.messages).toBe(0);
  });
});

describe("a call of a typed test client", () => {
  test("that is refused rejects with reason and data", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    await expect(ann.call("join", { room: "full" })).rejects.toMatchObject({
      code: "CALL_REFUSED",
      reason: "FULL",
      data: { room: "full" },
    });
  });

  test("whose handler throws rejects with CALL_FAILED, and with the handler's error as cause, which then counts as told", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat, name: "ann" });
    const failure: unknown = await ann.call("fail").catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: "CALL_FAILED",
      cause: { message: 'a secret (in the "message" event of ann (connection-1))' },
    });
    expect(ann.received.join()).not.toContain("secret");
  });

  test("whose handler throws rejects with CALL_FAILED alone under supervision", async () => {
    await using runtime = createChat({ failures: "supervise" });
    const ann = await runtime.connect({ protocol: chat });
    const failure: unknown = await ann.call("fail").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CALL_FAILED" });
    expect((failure as Error).cause).toBe(undefined);
  });

  test("rejects with the error of another event's handler, though the call was answered", async () => {
    const runtime = createChat({
      handler: chat.handler({
        say() {
          throw new Error("boom");
        },
        typing() {},
        join: () => ({ members: 0 }),
        wait: () => "",
        fail() {},
      }),
    });
    const ann = await runtime.connect({ protocol: chat });
    ann.send("say", { text: "hi" });
    await expect(ann.call("join", { room: "a" })).rejects.toThrow("boom");
    await runtime.close();
  });

  test("takes as much virtual time as the answer", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    expect(await ann.call("wait", { ms: 3_000 })).toBe("done");
    expect(runtime.now()).toBe(3_000);
  });

  test("times out in virtual time, at 5,000 ms or as asked", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    await expect(ann.call("wait", { ms: 6_000 })).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    expect(runtime.now()).toBe(5_000);
    await runtime.advance(1_000);
    await expect(ann.call("wait", { ms: 800 }, { timeoutMs: 700 })).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    expect(runtime.now()).toBe(6_700);
  });

  test("times out also if the handler waits for something outside the runtime", async () => {
    const runtime = createChat({ failures: "supervise" });
    const ann = await runtime.connect({ protocol: chat });
    await expect(ann.call("wait", { ms: -1 }, { timeoutMs: 700 })).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    await runtime.close();
  });

  test("lets no time pass while advance does, so that a test may stop a moment before the end", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    const states: string[] = [];
    const call = ann.call("wait", { ms: 6_000 }, { timeoutMs: 1_000 });
    call.catch(() => states.push("timed out"));
    await runtime.advance(999);
    expect([states, runtime.now()]).toEqual([[], 999]);
    await runtime.advance(1);
    expect([states, runtime.now()]).toEqual([["timed out"], 1_000]);
    await expect(call).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
  });

  test("lets no time pass while another client is let in, however long that takes", async () => {
    await using runtime = createChat({
      // More rounds of the event loop than a quiet runtime is given.
      async authorize() {
        for (let round = 0; round < 20; round++) await new Promise(setImmediate);
        return {};
      },
    });
    const ann = await runtime.connect({ protocol: chat });
    const call = ann.call("wait", { ms: 100 });
    await runtime.connect();
    expect(runtime.now()).toBe(0);
    expect(await call).toBe("done");
  });

  test("lets no time pass before the waits of other clients have ended", async () => {
    await using runtime = createChat();
    const [ann, bob] = [await runtime.connect({ protocol: chat }), await runtime.connect({ protocol: chat })];
    const call = ann.call("wait", { ms: 100 });
    await expect(bob.next("said")).rejects.toMatchObject({ code: "NO_MESSAGE" });
    expect(runtime.now()).toBe(0);
    expect(await call).toBe("done");
  });

  test("goes on beside other calls of the same client, each with its own answer", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    const calls = [ann.call("wait", { ms: 50 }), ann.call("join", { room: "a" }), ann.call("wait", { ms: 20 })];
    expect(await Promise.all(calls)).toEqual(["done", { members: 1 }, "done"]);
    expect(runtime.now()).toBe(70);
  });

  test("rejects when its signal is aborted, with the reason", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    const controller = new AbortController();
    const call = ann.call("wait", { ms: 100 }, { signal: controller.signal });
    await runtime.settle();
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    expect(runtime.now()).toBe(0);
  });

  test.each<[what: string, code: string, end: (client: TypedTestClient<Spec>, runtime: TestRuntime) => unknown]>([
    ["CONNECTION_LOST if the socket ends", "CONNECTION_LOST", (client) => client.disconnect()],
    ["CONNECTION_LOST if the socket fails", "CONNECTION_LOST", (client) => client.fail()],
    ["CLOSED if the client closes", "CLOSED", (client) => client.close()],
    ["CLOSED if the server closes", "CLOSED", (_, runtime) => runtime.server.connections()[0]?.close(4000, "go")],
  ])("rejects with %s, and later calls with CLOSED, also if the test looks later", async (_what, code, end) => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    const call = ann.call("wait", { ms: 100 });
    await runtime.settle();
    end(ann, runtime);
    await runtime.settle();
    const late = ann.call("join", { room: "a" });
    await runtime.advance(100);
    expect(unhandled).not.toHaveBeenCalled();
    await expect(call).rejects.toMatchObject({ code });
    await expect(late).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("of a client that has vanished times out", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    ann.vanish();
    await expect(ann.call("join", { room: "a" })).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
  });

  test("takes the latency of the client, both ways", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat, latencyMs: 40 });
    expect(await ann.call("join", { room: "a" })).toEqual({ members: 1 });
    expect(runtime.now()).toBe(80);
  });

  test("works with onMessage, which gets each frame, and keeps nothing", async () => {
    await using runtime = createChat();
    const frames: (string | Buffer)[] = [];
    const ann = await runtime.connect({ protocol: chat, onMessage: (frame) => void frames.push(frame) });
    expect(await ann.call("join", { room: "a" })).toEqual({ members: 1 });
    expect(frames).toEqual(['["joined",{"room":"a"}]', '[1,{"members":1}]']);
    expect(ann.received).toEqual([]);
    await expect(ann.next("joined")).rejects.toThrow("each of its messages goes to onMessage");
  });

  test("beyond 256 pending calls rejects with TOO_MANY_CALLS", async () => {
    await using runtime = createChat();
    const ann = await runtime.connect({ protocol: chat });
    const calls = Array.from({ length: 257 }, () => ann.call("join", { room: "a" }));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(256);
    expect(outcomes.at(-1)).toMatchObject({ reason: { code: "TOO_MANY_CALLS" } });
  });
});

describe("connect", () => {
  test.each(["chat", {}, null, 5])("refuses %j as a protocol", async (wrong) => {
    const runtime = createChat();
    await expect(runtime.connect({ protocol: wrong as never })).rejects.toMatchObject({
      code: "BAD_OPTION",
      option: "protocol",
    });
    await runtime.close();
  });

  test("rejects with REFUSED for a protocol, too", async () => {
    await using runtime = createChat({ authorize: () => reject(403, "go away") });
    await expect(runtime.connect({ protocol: chat })).rejects.toMatchObject({ code: "REFUSED", status: 403 });
  });
});
