/** `client.next()`: waits for what is on its way, and rejects at once if nothing is. */
import type { HandlerFunction } from "sendall";
import { createTestRuntime, ExploreFailure, explore, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, test } from "vitest";

const WAITS_FOR_NOTHING = "nothing is on its way, and every handler is done or waits for virtual time";

/** Sends each message to everybody, "later …" after 100 ms; welcomes nobody. */
const chat: HandlerFunction = (event, bus) => {
  if (event.type === "info") bus.sendall(String(event.data));
  if (event.type !== "message") return;
  if (event.text.startsWith("later")) bus.after(100, event.text);
  else bus.sendall(event.data);
};

function createChat(options: Partial<TestRuntimeOptions> = {}): TestRuntime {
  return createTestRuntime({ heartbeat: false, ...options, handler: options.handler ?? chat } as TestRuntimeOptions);
}

describe("next with nothing on its way rejects", () => {
  test("and says that nothing was received so far", async () => {
    await using runtime = createChat();
    const client = await runtime.connect({ name: "ann" });
    await expect(client.next()).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: `ann (connection-1) waits for message 1, and none can come: ${WAITS_FOR_NOTHING}. Virtual time stands still at 0 ms, and no alarm is set. Nothing was received so far`,
    });
  });

  test("and says what was received last, cut to 60 characters, or how many bytes", async () => {
    await using runtime = createChat();
    const client = await runtime.connect();
    client.send("one");
    client.send("x".repeat(100));
    expect([await client.next(), (await client.next()).length]).toEqual(["one", 100]);
    await expect(client.next()).rejects.toThrow(
      new RegExp(
        `^connection-1 waits for message 3, .*\\. Received last: "${"x".repeat(56)}\\.\\.\\. \\(message 2\\)$`,
      ),
    );
    client.send(Buffer.from([1, 2, 3]));
    expect(await client.next()).toEqual(Buffer.from([1, 2, 3]));
    await expect(client.next()).rejects.toThrow("Received last: 3 bytes (message 3)");
  });

  test("also if only an alarm can bring a message: time stands still, and advance brings the message", async () => {
    await using runtime = createChat();
    const client = await runtime.connect();
    client.send("later, please");
    await expect(client.next()).rejects.toThrow(
      `${WAITS_FOR_NOTHING}. Virtual time stands still at 0 ms, and the next alarm rings at 100 ms, in advance. Nothing`,
    );
    expect(runtime.now()).toBe(0);
    await runtime.advance(100);
    expect(await client.next()).toBe("later, please");
  });

  test("also if the handler sleeps", async () => {
    await using runtime = createChat({
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(50);
        bus.sendall("awake");
      },
    });
    const client = await runtime.connect();
    client.send("go");
    await expect(client.next()).rejects.toThrow("the next alarm rings at 50 ms");
    const next = client.next();
    await runtime.advance(50);
    expect(await next).toBe("awake");
  });

  test.each<[what: string, options: object, stalls: boolean]>([
    ["has stalled", {}, true],
    ["gets its messages late", { latencyMs: 30 }, false],
  ])("and says what helps if the client %s", async (_what, options, stalls) => {
    await using runtime = createChat();
    const [ann, bob] = [await runtime.connect(), await runtime.connect(options)];
    if (stalls) bob.stall();
    ann.send("hi");
    await expect(bob.next()).rejects.toThrow("what is on its way arrives only after resume, read or advance");
    bob.resume();
    await runtime.advance(30);
    expect(await bob.next()).toBe("hi");
  });

  test("for a client whose messages go to onMessage", async () => {
    await using runtime = createChat();
    const client = await runtime.connect({ onMessage() {} });
    await expect(client.next()).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: expect.stringContaining("each of its messages goes to onMessage, and is not kept"),
    });
  });

  test("with CLOSED if the connection has ended, or ends meanwhile", async () => {
    const runtime = createChat();
    const client = await runtime.connect();
    const next = client.next();
    await runtime.close();
    await expect(next).rejects.toMatchObject({ code: "CLOSED" });
    await expect(client.next()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("with what settle rejects with: the handler's error, or NOT_SETTLED", async () => {
    const runtime = createChat({
      async handler(event) {
        if (event.type !== "message") return;
        if (event.text === "bad") throw new Error("boom");
        await new Promise(() => {});
      },
    });
    const client = await runtime.connect();
    client.send("bad");
    await expect(client.next()).rejects.toThrow("boom");
    client.send("hang");
    await expect(client.next()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await runtime.close().catch(() => {});
  });
});

describe("next waits", () => {
  test("while advance lets time pass that was asked for later", async () => {
    await using runtime = createChat();
    const client = await runtime.connect();
    client.send("later");
    const next = client.next();
    await runtime.advance(99);
    await runtime.advance(1);
    expect(await next).toBe("later");
  });

  test("while other calls are under way, after which the test sends", async () => {
    await using runtime = createChat({
      // More rounds of the event loop than a quiet runtime is given.
      async authorize() {
        for (let round = 0; round < 20; round++) await new Promise(setImmediate);
        return {};
      },
    });
    const bob = await runtime.connect();
    const next = bob.next();
    const ann = await runtime.connect();
    await runtime.settle();
    await null;
    ann.send("hi");
    expect(await next).toBe("hi");
  });

  test("in turn: two calls get two messages in order, and a third gets an error", async () => {
    await using runtime = createChat();
    const client = await runtime.connect();
    const nexts = [client.next(), client.next(), client.next()];
    client.send("1");
    client.send("2");
    const results = await Promise.allSettled(nexts);
    expect(results.slice(0, 2)).toEqual(["1", "2"].map((value) => ({ status: "fulfilled", value })));
    expect(results[2]).toMatchObject({ status: "rejected", reason: { code: "NO_MESSAGE" } });
  });

  test("for a client who writes when the wait of another client has ended in vain", async () => {
    await using runtime = createChat();
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    const gaveUp = ann.next().catch(() => ann.send("nobody writes"));
    expect(await bob.next()).toBe("nobody writes");
    expect(await gaveUp).toBe(true);
  });
});

describe("next in an explored run", () => {
  test("rejects at once with nothing on its way, and the run need not hang", async () => {
    const failure: unknown = await explore(async ({ runtime }) => {
      const ann = await runtime({ handler: chat }).connect({ name: "ann" });
      await ann.next();
    }).catch((error: unknown) => error);
    if (!(failure instanceof ExploreFailure)) throw failure;
    expect(failure.cause).toMatchObject({ code: "NO_MESSAGE" });
    expect(failure.message).toContain("ann (connection-1) waits for message 1, and none can come");
    expect(failure.divergence).toBe(undefined);
  });

  test("gets what another task sends, whatever that task has waited for", async () => {
    await explore(
      async ({ runtime }) => {
        let isHandled = (): void => {};
        const handled = new Promise<void>((resolve) => {
          isHandled = resolve;
        });
        const room = runtime({
          handler(event, bus) {
            if (event.type !== "message" || event.text !== "first") return chat(event, bus);
            isHandled();
            return undefined;
          },
        });
        const other = runtime({ handler: chat });
        const [ann, bob, eve] = [await room.connect(), await room.connect(), await other.connect()];
        ann.send("first");
        const tasks = [
          handled.then(() => ann.send("after the promise of a handler")),
          other.advance(10).then(() => ann.send("after the time of another runtime")),
          eve.next().catch(() => ann.send("after a wait in vain")),
          room.connect().then((late) => late.send("after a connection")),
        ];
        const received: unknown[] = [];
        for (const _task of tasks) received.push(await bob.next());
        expect(received.toSorted()).toEqual([
          "after a connection",
          "after a wait in vain",
          "after the promise of a handler",
          "after the time of another runtime",
        ]);
      },
      { runs: 200 },
    );
  });

  test("waits while another runtime waits for its handler", async () => {
    await explore(
      async ({ runtime }) => {
        const room = runtime({ handler: chat });
        const slow = runtime({
          async handler(event) {
            // More rounds of the event loop than a quiet runtime is given.
            for (let round = 0; event.type === "message" && round < 20; round++) await new Promise(setImmediate);
          },
        });
        const [ann, bob, eve] = [await room.connect(), await room.connect(), await slow.connect()];
        eve.send("go");
        const sent = slow.settle().then(() => ann.send("at last"));
        expect(await bob.next()).toBe("at last");
        await sent;
      },
      { runs: 20 },
    );
  });

  test("is played again by its seed, with tasks that wait for each other", async () => {
    const play = (options: { seed: number; runs: number }): Promise<unknown> =>
      explore(async ({ runtime }) => {
        const room = runtime({ handler: chat });
        const [ann, bob] = [await room.connect({ name: "ann" }), await room.connect({ name: "bob" })];
        const [first, second] = [ann.next(), bob.next()];
        ann.send("from ann");
        bob.send("from bob");
        expect([await first, await second]).toEqual(["from ann", "from ann"]);
      }, options).catch((error: unknown) => error);
    const failure = await play({ seed: 1, runs: 100 });
    if (!(failure instanceof ExploreFailure)) throw failure;
    expect(failure.divergence).toBe(undefined);
    expect(await play({ seed: failure.seed, runs: 1 })).toMatchObject({ trace: failure.trace });
  });
});
