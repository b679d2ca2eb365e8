/** `runtime.dial`: clients of `sendall/client` in a test, which come back in virtual time. */
import type { HandlerFunction } from "sendall";
import type { Client, ConnectOptions } from "sendall/client";
import {
  createTestRuntime,
  type DialledClient,
  type DialOptions,
  type Stage,
  type TestRuntime,
  type TestRuntimeOptions,
} from "sendall/testing";
import { describe, expect, expectTypeOf, test, vi } from "vitest";
import { buildRuntime } from "../../../src/testing/runtime/build.js";
import type { HandClock } from "../../../src/testing/runtime/clock.js";
import { createEnvironment } from "../../../src/testing/runtime/environment.js";

/** Each message goes to everybody in the room but its sender; whoever comes and goes is told of. */
const chat: HandlerFunction = (event, bus) => {
  if (event.type === "open") event.connection.join("room");
  if (event.type === "message") bus.broadcast(event.data, event.connection, { room: "room" });
};

/** Comes back after exactly a second. */
const steady = { reconnect: { minMs: 1_000, jitter: 0 } } as const;

function createChat(options: Partial<TestRuntimeOptions> = {}): TestRuntime {
  return createTestRuntime({ heartbeat: false, ...options, handler: options.handler ?? chat } as TestRuntimeOptions);
}

/** A runtime whose clock tells of its alarms. */
function createWatched(options: Partial<TestRuntimeOptions>): {
  readonly runtime: TestRuntime;
  readonly clock: HandClock;
} {
  const environment = createEnvironment();
  const all = { heartbeat: false, handler: chat, ...options } as TestRuntimeOptions;
  return { runtime: buildRuntime(all, 1, environment), clock: environment.clock };
}

/** Notes what happens to a client, in order. */
function watch(): { readonly log: unknown[]; readonly options: DialOptions } {
  const log: unknown[] = [];
  const options: DialOptions = {
    onOpen: () => log.push("open"),
    onMessage: (data) => log.push(data),
    onClose: ({ code, willRetry }) => log.push([code, willRetry]),
    onError: ({ message }) => log.push(message),
  };
  return { log, options };
}

async function open(
  runtime: TestRuntime,
  options: DialOptions = {},
): Promise<{ readonly client: DialledClient; readonly log: unknown[] }> {
  const { log, options: watched } = watch();
  const client = runtime.dial("/", { ...steady, ...watched, ...options });
  await runtime.settle();
  expect(client.state).toBe("open");
  return { client, log };
}

describe("dial", () => {
  test("returns a client at once, which is open when the runtime is settled", async () => {
    await using runtime = createChat();
    const { log, options } = watch();
    const client = runtime.dial("/", options);
    client.send("early");
    expect([client.state, log]).toEqual(["connecting", []]);
    await runtime.settle();
    await client.opened;
    expect([client.state, log, runtime.server.stats().received.messages]).toEqual(["open", ["open"], 1]);
  });

  test("asks with path, query, headers, protocols, address and name", async () => {
    await using runtime = createChat({ protocols: ["b"] });
    const client = runtime.dial("/room?x=1", {
      query: { nick: "Bob & co" },
      headers: { "X-Token": "t", cookie: "a=b" },
      protocols: ["a", "b"],
      remoteAddress: "10.1.2.3",
      name: "ann",
    });
    await runtime.settle();
    const [connection] = runtime.server.connections();
    expect(connection).toMatchObject({ path: "/room", remoteAddress: "10.1.2.3", cookies: { a: "b" }, secure: false });
    expect(connection?.headers).toMatchObject({ "x-token": "t", host: "memory" });
    expect([...(connection?.query ?? [])]).toEqual([
      ["x", "1"],
      ["nick", "Bob & co"],
    ]);
    expect([client.name, client.protocol, runtime.clients[0]?.name]).toEqual(["ann", "b", "ann"]);
  });

  test("needs neither path nor options", async () => {
    await using runtime = createChat();
    const client = runtime.dial();
    await runtime.settle();
    expect([client.state, client.name, runtime.server.connections()[0]?.path]).toEqual(["open", undefined, "/"]);
  });

  test("asks for the headers at each attempt, and an attempt without headers fails", async () => {
    const tokens: unknown[] = [];
    await using runtime = createChat({
      handler: ({ type, connection }) => type === "open" && tokens.push(connection?.headers["x-token"]),
    });
    let attempts = 0;
    const { client, log } = await open(runtime, {
      headers: async () => {
        if (++attempts === 2) throw new Error("no token");
        return { "x-token": `token ${attempts}` };
      },
    });
    client.disconnect();
    await runtime.advance(1_000);
    expect([client.state, log.slice(1)]).toEqual([
      "waiting",
      [[1006, true], "cannot connect to ws://memory/: no token", [1006, true]],
    ]);
    await runtime.advance(2_000);
    expect([client.state, tokens]).toEqual(["open", ["token 1", "token 3"]]);
  });

  test("is waited for by settle while its headers are made outside the runtime", async () => {
    await using runtime = createChat();
    const headers = (): Promise<Record<string, string>> =>
      new Promise((resolve) => setTimeout(resolve, 20, { "x-token": "t" }));
    const client = runtime.dial("/", { headers });
    await runtime.settle();
    expect([client.state, runtime.server.connections()[0]?.headers["x-token"]]).toEqual(["open", "t"]);
  });

  test.each<[string, unknown, unknown, string]>([
    [
      "a path without a slash",
      "chat",
      {},
      'path: expected a path that begins with "/" and has no fragment, got "chat"',
    ],
    ["a fragment", "/#a", {}, 'path: expected a path that begins with "/" and has no fragment, got "/#a"'],
    [
      "options in place of the path",
      { name: "ann" },
      {},
      'path: expected a path that begins with "/" and has no fragment, got {"name":"ann"}',
    ],
    ["no object", "/", "ann", 'options: expected an object, got "ann"'],
    [
      "a misspelt name",
      "/",
      { nmae: "ann" },
      'nmae: unknown option: did you mean "name"? The options are query, headers, remoteAddress, name, protocols, session, protocol, on, calls, onOpen, onMessage, onClose, onError, reconnect, offline',
    ],
    [
      "a class",
      "/",
      { WebSocket: EventTarget },
      "WebSocket: unknown option: a dialled client has the socket class of its runtime",
    ],
    ["a wrong value", "/", { onOpen: 1 }, "onOpen: expected a function, got 1"],
  ])("refuses %s", (_what, path, options, message) => {
    const runtime = createChat();
    const bad = (): unknown => runtime.dial(path as string, options as DialOptions);
    expect(bad).toThrow(expect.objectContaining({ code: "BAD_OPTION", message }));
  });

  test("is told of a server that cannot start, as the runtime's next call is", async () => {
    const init = (): void => {
      throw new Error("no database");
    };
    const runtime = createTestRuntime({ handler: { init, handle() {} } });
    const { log, options } = watch();
    runtime.dial("/", options);
    await expect(runtime.settle()).rejects.toThrow("no database");
    await vi.waitUntil(() => log.length === 2);
    expect(log).toEqual([expect.stringContaining("cannot connect to ws://memory/: no database"), [1006, true]]);
  });
});

describe("a dialled client", () => {
  test("has every message once, as the test client has, and hands each to its callback too", async () => {
    await using runtime = createChat();
    const { client, log } = await open(runtime);
    const bob = await runtime.connect();
    bob.send("one");
    bob.send(Buffer.from([2]));
    await runtime.settle();
    expect(client.received).toEqual(["one", Buffer.from([2])]);
    expect(log).toEqual(["open", "one", new Uint8Array([2])]);
    expect([client.take(), client.take()]).toEqual([["one", Buffer.from([2])], []]);
    bob.send("three");
    const next = [client.next(), client.next()];
    expect(await next[0]).toBe("three");
    await expect(next[1]).rejects.toMatchObject({ code: "NO_MESSAGE" });
    bob.send("four");
    await runtime.settle();
    expect([client.take(), client.received.length]).toEqual([["four"], 4]);
  });

  test("keeps its callbacks' errors to itself, and comes back all the same", async () => {
    await using runtime = createChat();
    const { client, log } = await open(runtime, {
      onClose: () => {
        throw new Error("boom");
      },
    });
    client.disconnect();
    await runtime.advance(1_000);
    expect([client.state, log]).toEqual(["open", ["open", 'the callback for "close" failed: boom', "open"]]);
    client.close(4_000, "enough");
    await runtime.settle();
    await expect(client.next()).rejects.toMatchObject({
      code: "CLOSED",
      message: "no message can come: the connection ended with 4000 enough",
    });
  });

  test("comes back after its delay by itself, with what it was to send meanwhile, and no earlier", async () => {
    await using runtime = createChat();
    const { client, log } = await open(runtime);
    const bob = await runtime.connect();
    client.send("before");
    client.disconnect();
    await runtime.settle();
    client.send("meanwhile");
    await runtime.advance(999);
    expect([client.state, bob.take(), log]).toEqual(["waiting", ["before"], ["open", [1006, true]]]);
    await runtime.advance(1);
    expect([client.state, await bob.next()]).toEqual(["open", "meanwhile"]);
    bob.send("welcome back");
    expect(await client.next()).toBe("welcome back");
    expect(log).toEqual(["open", [1006, true], "open", "welcome back"]);
  });

  test("draws its delays out of the runtime's seed", async () => {
    const times: (number | undefined)[] = [];
    for (const seed of [1, 1, 2]) {
      const { runtime, clock } = createWatched({ seed });
      const { client } = await open(runtime, { reconnect: {} });
      client.disconnect();
      await runtime.settle();
      times.push(clock.nextDue);
      await runtime.close();
    }
    const [first, again, other] = times;
    expect(first).toBeGreaterThan(0);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  test("is in one room with another dialled client and a plain client, and misses only what was said while it was away", async () => {
    await using runtime = createChat();
    const [{ client: ann }, { client: bob }] = [await open(runtime), await open(runtime)];
    const eve = await runtime.connect();
    ann.send("from ann");
    await runtime.settle();
    bob.disconnect();
    await runtime.settle();
    eve.send("from eve");
    await runtime.advance(1_000);
    bob.send("from bob");
    await runtime.settle();
    expect([ann.received, bob.received, eve.received]).toEqual([
      ["from eve", "from bob"],
      ["from ann"],
      ["from ann", "from bob"],
    ]);
    expect(runtime.clients.length).toBe(3);
  });

  test("stalls and reads on, and its next connection is not stalled", async () => {
    await using runtime = createChat();
    const { client } = await open(runtime);
    client.stall();
    runtime.server.sendall("late");
    await runtime.settle();
    expect([client.take(), runtime.server.connections()[0]?.bufferedAmount]).toEqual([[], 6]);
    await expect(client.next()).rejects.toThrow("what is on its way arrives only after resume, read or advance");
    client.resume();
    await runtime.settle();
    expect(client.take()).toEqual(["late"]);
    client.stall();
    client.disconnect();
    await runtime.advance(1_000);
    runtime.server.sendall("at once");
    await runtime.settle();
    expect(client.take()).toEqual(["at once"]);
  });

  test("fails with an error at both ends, and comes back", async () => {
    const events: string[] = [];
    await using runtime = createChat({
      handler: (event) => events.push(event.type === "error" ? event.error.message : event.type),
    });
    const { client, log } = await open(runtime);
    client.fail(new Error("cable"));
    client.fail();
    await runtime.settle();
    expect(events).toEqual(["open", "cable", "closed"]);
    expect(log).toEqual(["open", expect.stringMatching(/^the connection to ws:\/\/memory\/ broke/), [1006, true]]);
    await runtime.advance(1_000);
    client.fail();
    await runtime.settle();
    expect(events.slice(3)).toEqual(["open", "the client's socket failed", "closed"]);
  });

  test("vanishes, which each side notices by the silence of the other alone, and comes back", async () => {
    await using runtime = createChat({ heartbeat: { intervalMs: 25_000, timeoutMs: 20_000 } });
    const { client, log } = await open(runtime);
    const { client: bob } = await open(runtime);
    client.vanish();
    expect(client.send("lost")).toBe(true);
    runtime.server.sendall("lost, too");
    await runtime.advance(44_999);
    expect([runtime.server.connections().length, bob.received]).toEqual([2, ["lost, too"]]);
    expect([client.state, client.bufferedAmount, client.received, log]).toEqual(["open", 4, [], ["open"]]);
    await runtime.advance(1);
    expect([runtime.server.connections().length, bob.state, client.state]).toEqual([1, "open", "waiting"]);
    expect(log.slice(1)).toEqual([expect.stringContaining("no answer in time"), [1006, true]]);
    await runtime.advance(1_000);
    expect([client.state, runtime.server.connections().length]).toEqual(["open", 2]);
  });

  test("that is plain never notices that it has vanished", async () => {
    await using runtime = createChat({ heartbeat: { intervalMs: 25_000, timeoutMs: 20_000 } });
    const { client } = await open(runtime, { session: false });
    client.vanish();
    await runtime.advance(3_600_000);
    expect([runtime.server.connections().length, client.state]).toEqual([0, "open"]);
  });

  test("does nothing on a stall or a cut while it has no connection", async () => {
    await using runtime = createChat();
    const { log, options } = watch();
    const client = runtime.dial("/", { ...steady, ...options });
    const all = (): void => {
      for (const verb of ["stall", "resume", "fail", "vanish", "disconnect"] as const) client[verb]();
    };
    all();
    await runtime.settle();
    expect([client.state, log]).toEqual(["open", ["open"]]);
    client.disconnect();
    all();
    await runtime.advance(1_000);
    client.close();
    await runtime.settle();
    all();
    await runtime.advance(10_000);
    expect([client.state, log]).toEqual(["closed", ["open", [1006, true], "open", [1000, false]]]);
  });

  test("that waits, or has ended, says so to whoever waits for a message", async () => {
    await using runtime = createChat();
    const { client } = await open(runtime, { name: "ann" });
    await expect(client.next()).rejects.toThrow(/^ann \(connection-1\) waits for message 1, .* nothing is on its way/);
    client.disconnect();
    await runtime.settle();
    const waiting = client.next();
    await expect(waiting).rejects.toMatchObject({
      code: "NO_MESSAGE",
      message: expect.stringMatching(
        /^ann \(waiting\) waits for message 1, .* the next alarm rings at 1000 ms, in advance/,
      ),
    });
    await runtime.advance(1_000);
    client.vanish();
    await expect(client.next()).rejects.toThrow("the client has vanished, and nothing reaches it any more");
    client.disconnect();
    client.close();
    await runtime.settle();
    await expect(client.next()).rejects.toMatchObject({ code: "CLOSED" });
    await expect(runtime.dial().next()).rejects.toThrow(/^the dialled client \(connection-3\) waits for message 1/);
  });

  test("that is refused tries again, as in a page", async () => {
    await using runtime = createChat({ maxConnections: 1 });
    const bob = await runtime.connect();
    const { log, options } = watch();
    const client = runtime.dial("/", { ...steady, ...options });
    await runtime.settle();
    expect([client.state, log.at(-1)]).toEqual(["waiting", [1006, true]]);
    bob.close();
    await runtime.advance(1_000);
    expect([client.state, log.at(-1)]).toEqual(["open", "open"]);
  });
});

describe("closing a runtime", () => {
  /** Closes a runtime with one dialled client in some state, and tells what the client heard, and which alarms are left. */
  async function closeWith(
    prepare: (client: DialledClient, runtime: TestRuntime) => Promise<void> | void,
    options: Partial<TestRuntimeOptions> = {},
  ): Promise<{ readonly log: unknown[]; readonly state: string; readonly now: number }> {
    const { runtime, clock } = createWatched({ closeTimeoutMs: 3_000, ...options });
    const { log, options: watched } = watch();
    const client = runtime.dial("/", { ...steady, ...watched });
    await prepare(client, runtime);
    log.length = 0;
    const before = runtime.now();
    await runtime.close();
    expect([clock.alarms, runtime.clients]).toEqual([0, []]);
    return { log, state: client.state, now: runtime.now() - before };
  }
  test("ends an open dialled client as every client, for good", async () => {
    const { log, state, now } = await closeWith((_client, runtime) => runtime.settle());
    expect([log[0], log.at(-1), state, now]).toEqual([[1001, true], [1006, false], "closed", 0]);
  });

  test("ends a dialled client that waits for its next attempt, at once", async () => {
    const result = await closeWith(async (client, runtime) => {
      await runtime.settle();
      client.disconnect();
      await runtime.settle();
    });
    expect(result).toEqual({ log: [[1006, false]], state: "closed", now: 0 });
  });

  test("ends a dialled client that has not connected yet", async () => {
    const { log, state } = await closeWith(() => {});
    expect([log.at(-1), state]).toEqual([[1006, false], "closed"]);
  });

  test("ends a dialled client that waits for authorize", async () => {
    const { log, state } = await closeWith((_client, runtime) => runtime.advance(1), {
      authorize: () => new Promise<never>(() => {}),
      failures: "supervise",
    });
    expect([log.at(-1), state]).toEqual([[1006, false], "closed"]);
  });

  test("ends a dialled client whose headers never come", async () => {
    const { runtime, clock } = createWatched({});
    const { log, options } = watch();
    const client = runtime.dial("/", { ...options, headers: () => new Promise(() => {}) });
    await runtime.settle();
    expect(client.state).toBe("connecting");
    await runtime.close();
    expect([client.state, log, clock.alarms, runtime.now()]).toEqual(["closed", [[1006, false]], 0, 0]);
  });

  test("ends a dialled client that has vanished, after the time that the server waits", async () => {
    const result = await closeWith(async (client, runtime) => {
      await runtime.settle();
      client.vanish();
    });
    expect(result).toEqual({ log: [[1006, false]], state: "closed", now: 3_000 });
  });

  test("ends a dialled client that has vanished and is closing", async () => {
    const { state, log } = await closeWith(async (client, runtime) => {
      await runtime.settle();
      client.vanish();
      client.close();
      await runtime.settle();
    });
    expect([state, log]).toEqual(["closed", [[1006, false]]]);
  });

  test("keeps dialled clients from coming back, however long the server takes to close", async () => {
    const logs: (readonly unknown[])[] = [];
    const { state, log, now } = await closeWith(async (client, runtime) => {
      const [open, waiting] = [watch(), watch()];
      runtime.dial("/", { ...steady, ...open.options });
      const away = runtime.dial("/", { ...steady, ...waiting.options });
      await runtime.settle();
      client.stall();
      away.disconnect();
      await runtime.settle();
      logs.push(open.log, waiting.log);
    });
    expect([state, log, now]).toEqual([
      "closed",
      [
        [1006, true],
        [1006, false],
      ],
      3_000,
    ]);
    expect(logs).toEqual([
      ["open", [1001, true], [1006, false]],
      ["open", [1006, true], [1006, false]],
    ]);
  });
});

test("the compiler knows a dialled client as a client with verbs, and its options as those of connect and of the request", async () => {
  await using runtime = createTestRuntime({ handler() {} });
  const client = runtime.dial("/", {
    headers: () => ({ "x-token": "t" }),
    reconnect: false,
    onMessage: (data) => data.length,
  });
  expectTypeOf(client).toExtend<Client>();
  expectTypeOf(client).toEqualTypeOf<DialledClient>();
  expectTypeOf(client.received).toEqualTypeOf<readonly (string | Buffer)[]>();
  expectTypeOf(client.next).returns.resolves.toEqualTypeOf<string | Buffer>();
  expectTypeOf<DialOptions["onMessage"]>().toEqualTypeOf<ConnectOptions["onMessage"]>();
  expectTypeOf<Stage["runtime"]>().returns.toHaveProperty("dial");
  // @ts-expect-error the class is the runtime's
  const withClass = (): unknown => runtime.dial("/", { WebSocket: runtime.WebSocket });
  // @ts-expect-error no such option
  const misspelt = (): unknown => runtime.dial("/", { nmae: "ann" });
  // @ts-expect-error the path is not an option
  const withoutPath = (): unknown => runtime.dial({ path: "/" });
  for (const bad of [withClass, misspelt, withoutPath])
    expect(bad).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  await runtime.settle();
  expect(client.state).toBe("open");
});
