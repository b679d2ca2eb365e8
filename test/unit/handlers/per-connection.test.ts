/** `perConnection` given a module: what its callbacks get, what their replies do, and what a failure ends. */
import {
  type Connection,
  type ConnectionModule,
  channels,
  close,
  type Ending,
  idle,
  noreply,
  perConnection,
  ping,
  pong,
  type Reply,
  reply,
} from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { failures } from "../actors/failing.js";
import { HandStage, Lines } from "../stage.js";

const FAILED = { code: 1011, reason: "handler failed" };

/** A module that answers each message with what `answer` says. */
function answering(answer: (message: string, state: number) => unknown): ConnectionModule<number> {
  // What is no reply must come to the runner as it is.
  return { init: () => 0, handle: (message, state) => answer(String(message), state) as Reply<number> };
}

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe("a reply", () => {
  test.each<[string, (state: number) => Reply<number>, string[]]>([
    ["noreply sends nothing", (n) => noreply(n), []],
    ["reply sends a message", (n) => reply("text", n), ["write text"]],
    ["reply sends bytes", (n) => reply(Buffer.from("bytes"), n), ["write bytes"]],
    ["ping sends a ping", (n) => ping(n), ["ping"]],
    ["ping takes data", (n) => ping(n, "data"), ["ping data"]],
    ["pong sends a pong", (n) => pong(n), ["pong"]],
    ["pong takes data", (n) => pong(n, Buffer.from("data")), ["pong data"]],
    ["close closes with 1000", (n) => close(n), ["close 1000", "resume"]],
    ["close takes a code and a reason", (n) => close(n, 4001, "bye"), ["close 4001 bye", "resume"]],
    ["an empty array sends nothing", () => [], []],
    [
      "an array is carried out in order",
      (n) => [reply("a", n), reply("b", n), close(n, 4000)],
      ["write a b", "close 4000", "resume"],
    ],
    ["a plain object will do", (n) => ({ type: "reply", data: "plain", state: n }), ["write plain"]],
    [
      "plain objects in an array will do",
      (n) => [
        { type: "noreply", state: n },
        { type: "close", state: n },
      ],
      ["close 1000", "resume"],
    ],
  ])("%s, at once or as a promise", async (_what, answer, calls) => {
    for (const isAsync of [false, true]) {
      const stage = await HandStage.open({
        handler: perConnection({
          init: () => 0,
          handle: (_message, state) => (isAsync ? Promise.resolve(answer(state)) : answer(state)),
        }),
      });
      const wire = await stage.connect();
      wire.listener.message("go", 2);
      await stage.settle();
      expect(wire.take()).toEqual(calls);
      expect(stage.server.stats().failures).toEqual([]);
    }
  });

  test("carries the next state; the last of an array counts, and an empty one keeps it", async () => {
    const replies: Record<string, (n: number) => Reply<number>> = {
      add: (n) => noreply(n + 1),
      several: (n) => [reply(`${n}`, n + 10), noreply(n + 100)],
      none: () => [],
      tell: (n) => reply(String(n), n),
    };
    await using runtime = createTestRuntime({
      handler: perConnection({
        init: async () => 0,
        handle: (message, n) => replies[String(message)]?.(n) ?? noreply(n),
      }),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const message of ["add", "several", "none", "tell"]) ann.send(message);
    bob.send("tell");
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([["1", "101"], ["0"]]);
  });

  test("of text is a text frame, of bytes a binary frame", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection({ init: () => 0, handle: (message, n) => reply(message, n) }),
    });
    const client = await runtime.connect();
    client.send("text");
    client.send(Buffer.from([1, 2]));
    await runtime.settle();
    expect(client.take()).toEqual(["text", Buffer.from([1, 2])]);
  });

  test("comes to nothing when its connection has gone meanwhile", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection({
        init: () => 0,
        async handle(_message, n, { signal }) {
          if (!signal.aborted) await new Promise((gone) => signal.addEventListener("abort", gone));
          return [reply("late", n), ping(n), pong(n), close(n)];
        },
      }),
    });
    const client = await runtime.connect();
    client.send("go");
    client.fail(new Error("cut"));
    await runtime.settle();
    expect([client.received, runtime.server.stats().deadLetters, runtime.server.stats().connections]).toEqual([
      [],
      1,
      0,
    ]);
  });

  test.each<[string, unknown, string]>([
    ["undefined", undefined, "BAD_REPLY"],
    ["the state alone", 1, "BAD_REPLY"],
    ["a word", "noreply", "BAD_REPLY"],
    ["null", null, "BAD_REPLY"],
    ["an object of an unknown type", { type: "replay", state: 0 }, "BAD_REPLY"],
    ["an object without a state", { type: "noreply" }, "BAD_REPLY"],
    ["an array with something else in it", [noreply(0), undefined], "BAD_REPLY"],
    ["an array in an array", [[noreply(0)]], "BAD_REPLY"],
    ["a message that is none", { type: "reply", data: 5, state: 0 }, "BAD_DATA"],
    ["no message", { type: "reply", state: 0 }, "BAD_DATA"],
    ["a ping that is too long", ping(0, "x".repeat(126)), "BAD_DATA"],
    ["a close code that may not be sent", close(0, 1005), "BAD_CLOSE_CODE"],
  ])("that is %s closes its connection and says what was expected", async (_what, answer, code) => {
    for (const isAsync of [false, true]) {
      await using runtime = createTestRuntime({
        failures: "supervise",
        handler: perConnection(
          answering((text) => (text !== "bad" ? reply(text, 0) : isAsync ? Promise.resolve(answer) : answer)),
        ),
      });
      const [bad, good] = [await runtime.connect(), await runtime.connect()];
      bad.send("bad");
      good.send("good");
      await runtime.settle();
      expect([bad.closed, good.closed, good.take()]).toEqual([FAILED, undefined, ["good"]]);
      const [failure] = runtime.server.stats().failures;
      expect(failure).toMatchObject({ event: "message", connection: bad.id, data: "bad", error: { code } });
      if (code === "BAD_REPLY") expect(String(failure?.error)).toContain("handle returned");
      if (code === "BAD_REPLY") expect(String(failure?.error)).toContain("noreply(state), reply(data, state)");
    }
  });

  test.each<[string, () => unknown, string]>([
    // @ts-expect-error no state
    ["reply", () => reply("x"), "reply(data, state)"],
    // @ts-expect-error no state
    ["noreply", () => noreply(), "noreply(state)"],
    // @ts-expect-error no state
    ["ping", () => ping(), "ping(state, data?)"],
    // @ts-expect-error no state
    ["pong", () => pong(), "pong(state, data?)"],
    // @ts-expect-error no state
    ["close", () => close(), "close(state, code?, reason?)"],
  ])("without a state is refused, and the state of before remains: %s", async (_name, answer, call) => {
    const last: unknown[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection({ ...answering(answer), closed: (state) => void last.push(state) }),
    });
    const client = await runtime.connect();
    client.send("x");
    await runtime.settle();
    expect([client.take(), client.closed, last]).toEqual([[], FAILED, [0]]);
    const [failure] = runtime.server.stats().failures;
    expect(failure?.error).toMatchObject({ code: "BAD_REPLY", message: expect.stringContaining(call) });
  });

  test("whose state is undefined sets the state to undefined", async () => {
    const states: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection<unknown>({
        init: () => 0,
        handle(message, state) {
          states.push(state);
          return message === "reply" ? reply("x", undefined) : noreply(undefined);
        },
      }),
    });
    const client = await runtime.connect();
    for (const message of ["reply", "noreply", "end"]) client.send(message);
    await runtime.settle();
    expect([states, client.take()]).toEqual([[0, undefined, undefined], ["x"]]);
  });

  test("that is bad sends nothing of itself", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection(answering((_text, n) => [reply("before", n), "what?"])),
    });
    const client = await runtime.connect();
    client.send("go");
    await runtime.settle();
    expect([client.take(), client.closed]).toEqual([[], FAILED]);
  });
});

describe("the callbacks", () => {
  test("get the connection's events one at a time, and what arrives while init is under way waits for it", async () => {
    const [called, opening] = [gate(), gate()];
    const calls: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection({
        async init(connection, bus) {
          calls.push("init");
          called.open();
          await opening.opened;
          calls.push("ready");
          expect(bus.connections()).toEqual([connection]);
          return 0;
        },
        async handle(message, n) {
          await Promise.resolve();
          calls.push(`${message} ${n}`);
          return noreply(n + 1);
        },
      }),
    });
    // What `connect` waits for is the handler.
    const connecting = runtime.connect();
    await called.opened;
    expect(calls).toEqual(["init"]);
    opening.open();
    const client = await connecting;
    client.send("a");
    client.send("b");
    await runtime.settle();
    expect(calls).toEqual(["init", "ready", "a 0", "b 1"]);
  });

  test("info, idle, ping, pong and closed get what they are about, the state, the connection and the bus", async () => {
    const calls: unknown[][] = [];
    const note =
      (what: string) =>
      (data: unknown, n: number, connection: Connection): Reply<number> => {
        calls.push([what, Buffer.isBuffer(data) ? String(data) : data, n, connection.id]);
        return noreply(n + 1);
      };
    await using runtime = createTestRuntime({
      heartbeat: false,
      handler: perConnection<number>({
        init(connection) {
          connection.idle(1_000);
          return 0;
        },
        handle: (_message, n) => ping(n, "are you there"),
        info: note("info"),
        idle: note("idle"),
        ping: note("ping"),
        pong: note("pong"),
        closed: (n, connection, ending, bus) => void calls.push(["closed", ending, n, connection.id, bus.rooms()]),
      }),
    });
    const client = await runtime.connect();
    runtime.server.tell({ a: 1 }, client.id);
    await runtime.settle();
    client.ping("hello");
    await runtime.settle();
    client.send("ping me");
    await runtime.settle();
    await runtime.advance(1_000);
    client.close(4000, "bye");
    await runtime.settle();
    const ending: Ending = { code: 4000, reason: "bye", wasClean: true, by: "peer", unacknowledged: 0 };
    expect(calls).toEqual([
      ["info", { a: 1 }, 0, client.id],
      ["ping", "hello", 1, client.id],
      ["pong", "are you there", 2, client.id],
      ["idle", idle, 3, client.id],
      ["closed", ending, 4, client.id, []],
    ]);
  });

  test("that are not there are not missed", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection({
        init(connection) {
          connection.idle(10);
          return 0;
        },
        handle: (message, n) => reply(message, n),
      }),
    });
    const client = await runtime.connect();
    runtime.server.tell("x");
    runtime.server.tell("x", client.id);
    client.ping("x");
    await runtime.advance(10);
    client.send("still here");
    expect(await client.next()).toBe("still here");
  });

  test("pong is not told of the heartbeat's pongs", async () => {
    const pongs: string[] = [];
    await using runtime = createTestRuntime({
      heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
      handler: perConnection({
        init: () => 0,
        handle: (_message, n) => noreply(n),
        pong(data, n) {
          pongs.push(String(data));
          return noreply(n);
        },
      }),
    });
    const client = await runtime.connect();
    await runtime.advance(5_000);
    runtime.server.connections()[0]?.ping("mine");
    await runtime.settle();
    expect([pongs, client.closed]).toEqual([["mine"], undefined]);
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  });

  test("are called as the object that they are of", async () => {
    class Greeter implements ConnectionModule<string> {
      readonly greeting = "hello";
      init(): string {
        return this.greeting;
      }
      handle(message: string | Buffer, state: string): Reply<string> {
        return reply(`${this.greeting} ${message}`, state);
      }
    }
    await using runtime = createTestRuntime({ handler: perConnection(new Greeter()) });
    const client = await runtime.connect();
    client.send("ann");
    expect(await client.next()).toBe("hello ann");
  });

  test("run side by side for different connections", async () => {
    const waiting = gate();
    await using runtime = createTestRuntime({
      handler: perConnection({
        init: () => 0,
        async handle(message, n) {
          if (message === "wait") await waiting.opened;
          return reply(message, n);
        },
      }),
    });
    const [slow, quick] = [await runtime.connect(), await runtime.connect()];
    slow.send("wait");
    slow.send("after");
    quick.send("quick");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    expect([slow.take(), quick.take()]).toEqual([[], ["quick"]]);
    waiting.open();
    await runtime.settle();
    expect(slow.take()).toEqual(["wait", "after"]);
  });

  test("send to others with the bus, which broadcasts as ever", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection({
        init(connection, bus) {
          bus.join(connection, "room");
          return 0;
        },
        handle(message, n, connection, bus) {
          bus.broadcast(message, connection, { room: "room" });
          return noreply(n);
        },
      }),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send("hi");
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([[], ["hi"]]);
    expect(runtime.server.members("room").length).toBe(2);
  });
});

describe("tell and after", () => {
  /** Tells its peer of each info, and does with `tell` and `after` what the peer says. */
  const informed: ConnectionModule<number> = {
    init(_connection, bus) {
      bus.after(5, "from init");
      return 0;
    },
    handle(message, n, _connection, bus) {
      if (message === "tell") bus.tell("told");
      else bus.after(10, message);
      return noreply(n);
    },
    info: (data, n) => reply(`${n}: ${data}`, n + 1),
  };

  test("tell reaches everybody without an addressee, and one with", async () => {
    await using runtime = createTestRuntime({ handler: perConnection({ ...informed, init: () => 0 }) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send("tell");
    await runtime.settle();
    expect(runtime.server.tell("all")).toBe(true);
    expect(runtime.server.tell("bob", bob.id)).toBe(true);
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([
      ["0: told", "1: all"],
      ["0: told", "1: all", "2: bob"],
    ]);
  });

  test("an alarm rings for the connection whose callback set it, also one that init set", async () => {
    await using runtime = createTestRuntime({ handler: perConnection(informed) });
    const ann = await runtime.connect();
    await runtime.advance(3);
    const bob = await runtime.connect();
    ann.send("alarm");
    await runtime.advance(2);
    expect([ann.take(), bob.take()]).toEqual([["0: from init"], []]);
    await runtime.advance(8);
    expect([ann.take(), bob.take()]).toEqual([["1: alarm"], ["0: from init"]]);
  });

  test("an alarm that the rest of the program set without an addressee rings for everybody", async () => {
    await using runtime = createTestRuntime({ handler: perConnection({ ...informed, init: () => 0 }) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    runtime.server.after(5, "tick");
    await runtime.advance(5);
    expect([ann.take(), bob.take()]).toEqual([["0: tick"], ["0: tick"]]);
  });

  test("an alarm of a connection that has gone rings for nobody", async () => {
    await using runtime = createTestRuntime({ handler: perConnection(informed) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send("alarm");
    await runtime.settle();
    ann.close();
    await runtime.advance(20);
    expect([ann.take(), bob.take()]).toEqual([[], ["0: from init"]]);
  });

  test("what is told to everybody is bounded for each, and what is lost is logged", async () => {
    const logger = new Lines();
    const blocked = gate();
    const heard: unknown[] = [];
    await using runtime = createTestRuntime({
      logger,
      mailbox: { maxInfo: 3 },
      handler: perConnection({
        init: () => 0,
        async handle(_message, n) {
          await blocked.opened;
          return noreply(n);
        },
        info(data, n) {
          heard.push(data);
          return noreply(n);
        },
      }),
    });
    const client = await runtime.connect();
    client.send("block");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    expect([0, 1, 2, 3, 4].map((i) => runtime.server.tell(i))).toEqual([true, true, true, false, false]);
    blocked.open();
    await runtime.settle();
    expect(heard).toEqual([0, 1, 2]);
    expect(logger.at("warn").filter(([line]) => line.includes("info event is lost"))).toEqual([
      [expect.stringContaining("maxInfo"), { connection: client.id }],
      [expect.stringContaining("maxInfo"), { connection: client.id }],
    ]);
  });

  test("a sleep ends early when its connection goes", async () => {
    const slept: string[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection({
        init: () => 0,
        async handle(_message, n, { isOpen }, bus) {
          await bus.sleep(10_000);
          slept.push(`${bus.now()} ${isOpen}`);
          return reply("late", n);
        },
        async closed(_state, _connection, _ending, bus) {
          await bus.sleep(500);
          slept.push(`closed ${bus.now()}`);
        },
      }),
    });
    const client = await runtime.connect();
    client.send("sleep");
    await runtime.advance(100);
    client.fail(new Error("cut"));
    await runtime.settle();
    expect(slept).toEqual(["100 true"]);
    await runtime.advance(500);
    expect(slept).toEqual(["100 true", "closed 600"]);
  });
});

type Callback = "init" | "handle" | "info" | "idle" | "ping" | "pong";
const HOW = {
  throws(): never {
    throw new Error("thrown");
  },
  rejects: () => Promise.reject(new Error("thrown")),
  "takes too long": () => new Promise<never>(() => {}),
};

describe.each<Callback>(["init", "handle", "info", "idle", "ping", "pong"])("a failure of %s", (callback) => {
  test.each(["throws", "rejects", "takes too long"] as const)("that %s closes its connection alone", async (how) => {
    const ended: unknown[] = [];
    let victim: string | undefined;
    const keep = (_data: unknown, n: number): Reply<number> => noreply(n + 1);
    const module: ConnectionModule<number> = {
      init(connection) {
        connection.idle(100);
        return 7;
      },
      handle: (message, n) => (message === "ping me" ? ping(n, "x") : reply(`${message} ${n}`, n)),
      info: keep,
      idle: keep,
      ping: keep,
      pong: keep,
      closed: (n, connection, ending) => void ended.push([n, connection.id, ending.code]),
    };
    const original = module[callback] as (...args: unknown[]) => number | Reply<number>;
    const broken: ConnectionModule<number> = {
      ...module,
      [callback](...args: unknown[]): unknown {
        const { id } =
          args.find((one): one is Connection => typeof one === "object" && one !== null && "isOpen" in one) ?? {};
        return id === victim ? HOW[how]() : original(...args);
      },
    };
    const handlerTimeoutMs = 50;
    await using runtime = createTestRuntime({
      failures: "supervise",
      heartbeat: false,
      handlerTimeoutMs,
      handler: perConnection(broken),
    });
    const good = await runtime.connect();
    if (callback === "init") victim = "connection-2";
    const connecting = runtime.connect();
    if (how === "takes too long" && callback === "init")
      await expect(connecting).rejects.toMatchObject({ code: "NOT_SETTLED" });
    const bad = callback === "init" ? undefined : await connecting;
    victim = "connection-2";
    if (callback === "handle") bad?.send("go");
    if (callback === "info") runtime.server.tell("x");
    if (callback === "idle") await runtime.advance(100);
    if (callback === "ping") bad?.ping("x");
    if (callback === "pong") runtime.server.connections()[1]?.ping("x");
    await runtime.advance(handlerTimeoutMs);
    const event = { init: "open", handle: "message" }[callback as "init" | "handle"] ?? callback;
    const error = how === "takes too long" ? { code: "HANDLER_TIMEOUT" } : { message: "thrown" };
    expect(runtime.server.stats().failures).toMatchObject([{ event, connection: "connection-2", error }]);
    if (bad !== undefined) expect(bad.closed).toEqual(FAILED);
    expect(runtime.server.connections().map(({ id }) => id)).toEqual([good.id]);
    // Its goodbye gets the state of before, if there was one.
    expect(ended).toEqual(callback === "init" ? [] : [[7, "connection-2", 1011]]);
    good.send("still here");
    expect(String(await good.next())).toContain("still here");
  });
});

describe("a failure", () => {
  test("leaves the state of before for closed, whatever was replied before it", async () => {
    const states: unknown[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection({
        ...answering((text, n) => (text === "good" ? noreply(n + 1) : [noreply(n + 100), reply(5 as never, n + 100)])),
        closed: (n) => void states.push(n),
      }),
    });
    const client = await runtime.connect();
    for (const text of ["good", "good", "bad", "never"]) client.send(text);
    await runtime.settle();
    expect([states, client.closed]).toEqual([[2], FAILED]);
  });

  test("is the last that it hears of, but for closed, also when its peer has gone already", async () => {
    const later = gate();
    const calls: unknown[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection<number>({
        init: () => 7,
        async handle(message, n) {
          calls.push(message);
          await later.opened;
          throw new Error(`after ${n}`);
        },
        closed: (n) => void calls.push(["closed", n]),
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b"]) client.send(text);
    client.close();
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    later.open();
    await runtime.settle();
    expect([calls, failures(runtime)]).toEqual([["a", ["closed", 7]], ["message: after 7"]]);
  });

  test("of closed is noted and changes nothing else", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection({
        ...answering((text, n) => reply(text, n)),
        closed: () => Promise.reject(new Error("no goodbye")),
      }),
    });
    const [leaver, stayer] = [await runtime.connect(), await runtime.connect()];
    leaver.close();
    await runtime.settle();
    expect(failures(runtime)).toEqual(["closed: no goodbye"]);
    stayer.send("here");
    expect(await stayer.next()).toBe("here");
  });

  test("is never charged to the handler: the route stays open after any number of them", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 0, strategy: "restart" },
      handler: perConnection(answering((text, n) => (text === "bad" ? undefined : reply(text, n)))),
    });
    for (let i = 0; i < 10; i++) {
      const bad = await runtime.connect();
      bad.send("bad");
      await runtime.settle();
      expect(bad.closed).toEqual(FAILED);
    }
    const good = await runtime.connect();
    good.send("good");
    expect(await good.next()).toBe("good");
  });

  test("that comes after its time is only logged, and what it returns comes to nothing", async () => {
    const logger = new Lines();
    const late = gate();
    await using runtime = createTestRuntime({
      failures: "supervise",
      logger,
      handlerTimeoutMs: 50,
      handler: perConnection({
        init: () => 0,
        async handle(message, n) {
          await late.opened;
          if (message === "throw") throw new Error("too late");
          return reply("too late", n);
        },
      }),
    });
    const [throws, replies] = [await runtime.connect(), await runtime.connect()];
    throws.send("throw");
    replies.send("reply");
    await runtime.advance(50);
    late.open();
    await runtime.settle();
    expect([throws.closed, replies.closed, replies.received]).toEqual([FAILED, FAILED, []]);
    expect(runtime.server.stats()).toMatchObject({ failures: { length: 2 }, deadLetters: 0 });
    expect(logger.at("warn").map(([line]) => line)).toContain("a handler failed after its timeout");
  });

  test("of the connection's socket has no callback, and closed follows", async () => {
    const endings: Ending[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection({
        ...answering((text, n) => reply(text, n)),
        closed: (_n, _connection, ending) => void endings.push(ending),
      }),
    });
    const client = await runtime.connect();
    client.fail();
    await runtime.settle();
    expect(endings).toEqual([{ code: 1006, reason: "", wasClean: false, by: "lost", unacknowledged: 0 }]);
  });
});

describe("perConnection", () => {
  test.each<[string, unknown, string]>([
    ["nothing", undefined, "got undefined"],
    ["a module without init", { handle() {} }, "init is undefined"],
    ["a module without handle", { init() {} }, "handle is undefined"],
    ["a callback that is none", { init() {}, handle() {}, idle: 5 }, "idle is 5"],
  ])("refuses %s", (_what, definition, problem) => {
    const make = perConnection as (definition: unknown) => unknown;
    expect(() => make(definition)).toThrow(
      expect.objectContaining({ code: "BAD_HANDLER", message: expect.stringContaining(problem) }),
    );
  });

  test.each([
    ["perConnection", perConnection(answering(() => noreply(0)))],
    ["channels", channels({ a() {} })],
  ])('%s goes with concurrency "serial" only, which means no more than the default', async (_name, handler) => {
    expect(() => createTestRuntime({ concurrency: "connection", handler })).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", option: "concurrency" }),
    );
    await using runtime = createTestRuntime({ concurrency: "serial", handler });
    await runtime.connect();
  });

  test("may serve several routes from one definition, each with actors of its own", async () => {
    const handler = perConnection(answering((_text, n) => reply(String(n), n + 1)));
    await using runtime = createTestRuntime({ routes: { "/a": { handler }, "/b": { handler } } });
    const [a, b] = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    for (const client of [a, a, b]) client.send("x");
    await runtime.settle();
    expect([a.take(), b.take()]).toEqual([["0", "1"], ["0"]]);
  });

  test("says every goodbye when the server closes, and waits for what is under way", async () => {
    const said: unknown[] = [];
    const runtime = createTestRuntime({
      handler: perConnection({
        init: () => 0,
        async handle(message, n, _connection, bus) {
          await bus.sleep(100);
          return reply(message, n + 1);
        },
        closed: (n, _connection, ending) => void said.push([n, ending.code, ending.by]),
      }),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const text of ["a", "b"]) ann.send(text);
    await runtime.settle();
    await runtime.close();
    expect([ann.received, ann.closed, bob.closed]).toEqual([
      ["a", "b"],
      { code: 1001, reason: "going away" },
      { code: 1001, reason: "going away" },
    ]);
    expect(said.sort()).toEqual([
      [0, 1001, "server"],
      [2, 1001, "server"],
    ]);
  });
});
