/** `perConnection` given a loop: what it reads, what its end and its failures do, and how long it may take. */
import { getEventListeners } from "node:events";
import { type Connection, type Ending, idle, type LoopConnection, type LoopMessage, perConnection } from "sendall";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { failures } from "../actors/failing.js";
import { HandStage, Lines } from "../stage.js";

const FAILED = { code: 1011, reason: "handler failed" };
const DONE = { code: 1000, reason: "" };

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

async function echo(connection: LoopConnection): Promise<void> {
  for await (const message of connection)
    if (typeof message === "string" || Buffer.isBuffer(message)) connection.send(message);
}

async function takeOf(runtime: TestRuntime, ...messages: string[]): Promise<unknown[]> {
  const client = await runtime.connect();
  for (const message of messages) client.send(message);
  await runtime.settle();
  return client.take();
}

describe("a loop", () => {
  test("reads the messages of its connection, text and bytes, in order", async () => {
    await using runtime = createTestRuntime({ handler: perConnection(echo) });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const data of ["a", Buffer.from([1, 2]), "b"]) ann.send(data);
    bob.send("c");
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([["a", Buffer.from([1, 2]), "b"], ["c"]]);
  });

  test("gets silence as the symbol idle, and info as the event, with its data and whom it is about", async () => {
    const got: LoopMessage[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        connection.idle(1_000);
        bus.after(10, "alarm");
        for await (const message of connection) got.push(message);
      }),
    });
    const client = await runtime.connect();
    const [connection] = runtime.server.connections();
    runtime.server.tell({ a: 1 });
    runtime.server.tell("for you", client.id);
    await runtime.advance(1_000);
    client.send("x");
    await runtime.settle();
    expect(got).toEqual([
      { type: "info", data: { a: 1 }, connection },
      { type: "info", data: "for you", connection },
      { type: "info", data: "alarm", connection },
      idle,
      "x",
    ]);
  });

  test("may leave its messages and read on, and none is lost", async () => {
    const later = gate();
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          connection.send(`first ${String(message)}`);
          if (message === "leave") break;
        }
        await later.opened;
        for await (const message of connection) connection.send(`second ${String(message)}`);
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "leave", "b", "c"]) client.send(text);
    await expect(runtime.settle()).rejects.toMatchObject({
      code: "NOT_SETTLED",
      message: expect.stringContaining('"message"'),
    });
    expect(client.take()).toEqual(["first a", "first leave"]);
    later.open();
    await runtime.settle();
    expect([client.take(), client.closed]).toEqual([["second b", "second c"], undefined]);
  });

  test("may read by hand, and is told how the connection ended, as often as it asks", async () => {
    const endings: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        const messages = connection[Symbol.asyncIterator]();
        for (let next = await messages.next(); ; next = await messages.next()) {
          if (next.done) {
            endings.push(next, await messages.next());
            return;
          }
          connection.send(String(next.value));
        }
      }),
    });
    const client = await runtime.connect();
    client.send("a");
    client.close(4000, "bye");
    await runtime.settle();
    const ending: Ending = { code: 4000, reason: "bye", wasClean: true, by: "peer", unacknowledged: 0 };
    expect(endings).toEqual([
      { done: true, value: ending },
      { done: true, value: ending },
    ]);
  });

  test("may ask for several messages before the first has come", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        const messages = connection[Symbol.asyncIterator]();
        const [a, b, c] = await Promise.all([messages.next(), messages.next(), messages.next()]);
        connection.send(`${String(a.value)}${String(b.value)}${String(c.value)}`);
        for await (const message of connection) connection.send(String(message));
      }),
    });
    expect(await takeOf(runtime, "a", "b", "c", "d")).toEqual(["abc", "d"]);
  });

  test("reads what had arrived before its peer closed, and then ends", async () => {
    const read: string[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for await (const message of connection) {
          await bus.sleep(10);
          read.push(`${String(message)} ${connection.isOpen}`);
        }
        read.push("ended");
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b", "c"]) client.send(text);
    client.close();
    await runtime.advance(100);
    // Its peer's close frame is answered behind the replies.
    expect(read).toEqual(["a true", "b true", "c true", "ended"]);
  });

  test("is not told of what had arrived when our side closed", async () => {
    const read: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          read.push(message);
          connection.close(4001, "enough");
        }
        read.push("ended");
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b", "c"]) client.send(text);
    await runtime.settle();
    expect([read, client.closed]).toEqual([["a", "ended"], { code: 4001, reason: "enough" }]);
  });

  test("gets what arrives before it first asks", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        await bus.sleep(1_000);
        await echo(connection);
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b"]) client.send(text);
    await runtime.settle();
    expect(client.take()).toEqual([]);
    await runtime.advance(1_000);
    expect(client.take()).toEqual(["a", "b"]);
  });

  test("that ends closes its connection with 1000, once what it has sent is out", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          connection.send(`last ${String(message)}`);
          return;
        }
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b"]) client.send(text);
    await runtime.settle();
    expect([client.take(), client.closed, runtime.server.stats().connections]).toEqual([["last a"], DONE, 0]);
  });

  test.each<[string, (connection: Connection) => unknown]>([
    ["an async function", async () => {}],
    ["a plain function", () => {}],
    ["one that closes by itself", (connection) => connection.close(4002, "mine")],
  ])("may be %s that ends at once", async (_what, loop) => {
    await using runtime = createTestRuntime({ handler: perConnection(loop) });
    const client = await runtime.connect();
    expect(client.closed).toEqual(loop.length === 0 ? DONE : { code: 4002, reason: "mine" });
    expect(runtime.server.stats().failures).toEqual([]);
  });
});

describe("a message counts as handled when the loop asks for the next", () => {
  test("so a slow loop pauses its socket at the high-water mark, and nothing is lost", async () => {
    const steps: (() => void)[] = [];
    const stage = await HandStage.open({
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          await new Promise<void>((resolve) => steps.push(resolve));
          connection.send(String(message));
        }
      }),
    });
    const wire = await stage.connect();
    for (let i = 0; i < 7; i++) {
      wire.listener.message(String(i), 1);
      await stage.settle();
    }
    expect([wire.take(), stage.server.stats().paused]).toEqual([["pause"], 1]);
    for (let i = 0; i < 7; i++) {
      steps.shift()?.();
      await stage.settle();
    }
    expect(wire.take()).toEqual([
      "write 0",
      "write 1",
      "write 2",
      "write 3",
      "resume",
      "write 4",
      "write 5",
      "write 6",
    ]);
    expect(stage.server.stats().paused).toBe(0);
  });

  test("also after it has left its messages: what waits for it is bounded", async () => {
    const stage = await HandStage.open({
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      handler: perConnection(async (connection) => {
        for await (const _ of connection) break;
        await new Promise(() => {});
      }),
    });
    const wire = await stage.connect();
    for (let i = 0; i < 6; i++) wire.listener.message(String(i), 1);
    await stage.settle();
    expect([wire.take(), stage.server.stats().paused]).toEqual([["pause"], 1]);
  });

  test("and one that takes longer than handlerTimeoutMs for it is given up", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handlerTimeoutMs: 2_000,
      handler: perConnection(async (connection, bus) => {
        for await (const message of connection) {
          await bus.sleep(Number(message));
          connection.send(`slept ${String(message)}`);
        }
      }),
    });
    const [quick, slow] = [await runtime.connect(), await runtime.connect()];
    quick.send("1999");
    slow.send("2001");
    await runtime.advance(2_000);
    expect([quick.take(), quick.closed, slow.closed]).toEqual([["slept 1999"], undefined, FAILED]);
    expect(runtime.server.stats().failures).toMatchObject([
      { event: "message", connection: slow.id, data: "2001", error: { code: "HANDLER_TIMEOUT" } },
    ]);
  });

  test("but one that has not asked, or has left its messages, may take as long as it likes", async () => {
    await using runtime = createTestRuntime({
      handlerTimeoutMs: 2_000,
      handler: perConnection(async (connection, bus) => {
        await bus.sleep(100_000);
        for await (const message of connection) {
          connection.send(`got ${String(message)}`);
          break;
        }
        await bus.sleep(100_000);
        await echo(connection);
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b"]) client.send(text);
    await runtime.advance(100_000);
    expect(client.take()).toEqual(["got a"]);
    await runtime.advance(100_000);
    expect([client.take(), client.closed]).toEqual([["b"], undefined]);
  });
});

describe("a loop that throws closes its connection with 1011, alone,", () => {
  test.each<[string, (connection: LoopConnection) => unknown, object]>([
    [
      "at once",
      () => {
        throw new Error("thrown");
      },
      { event: "open" },
    ],
    ["as a promise", () => Promise.reject(new Error("thrown")), { event: "open" }],
    [
      "before it first asks",
      async () => {
        await Promise.resolve();
        throw new Error("thrown");
      },
      { event: "open" },
    ],
    [
      "while it handles a message",
      async (connection) => {
        for await (const _ of connection) throw new Error("thrown");
      },
      { event: "message", data: "go" },
    ],
    [
      "while it handles a message that it has read by hand",
      async (connection) => {
        await connection[Symbol.asyncIterator]().next();
        throw new Error("thrown");
      },
      { event: "message", data: "go" },
    ],
    [
      "after it has left its messages",
      async (connection) => {
        for await (const _ of connection) break;
        await Promise.resolve();
        throw new Error("thrown");
      },
      { event: "message", data: "go" },
    ],
    [
      "while it waits for a message",
      (connection) => Promise.all([connection[Symbol.asyncIterator]().next(), Promise.reject(new Error("thrown"))]),
      { event: "loop" },
    ],
  ])("%s", async (_when, loop, failure) => {
    const logger = new Lines();
    let bad: string | undefined = "connection-2";
    await using runtime = createTestRuntime({
      failures: "supervise",
      logger,
      handler: perConnection((connection) => (connection.id === bad ? loop(connection) : echo(connection))),
    });
    const good = await runtime.connect();
    const client = await runtime.connect();
    client.send("go");
    client.send("never");
    await runtime.settle();
    expect([client.closed, good.closed]).toEqual([FAILED, undefined]);
    expect(runtime.server.stats().failures).toMatchObject([
      { ...failure, connection: client.id, error: { message: "thrown" } },
    ]);
    bad = undefined;
    for (const one of [good, await runtime.connect()]) {
      one.send("still here");
      expect(await one.next()).toBe("still here");
    }
    // No trace of it is left: neither time nor the end find anything to wait for.
    await runtime.advance(100_000);
    expect(runtime.server.stats().failures.length).toBe(1);
  });

  test("at its goodbyes, of which nobody hears any more", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection(async (connection) => {
        for await (const _ of connection);
        throw new Error("no goodbye");
      }),
    });
    const client = await runtime.connect();
    client.close();
    await runtime.settle();
    expect(failures(runtime)).toEqual(["closed: no goodbye"]);
  });

  test("and what it throws after its time is logged once, not counted again", async () => {
    const logger = new Lines();
    const late = gate();
    await using runtime = createTestRuntime({
      failures: "supervise",
      logger,
      handlerTimeoutMs: 50,
      handler: perConnection(async (connection) => {
        for await (const _ of connection) {
          await late.opened;
          throw new Error("too late");
        }
      }),
    });
    const client = await runtime.connect();
    client.send("go");
    await runtime.advance(50);
    late.open();
    await runtime.settle();
    expect([client.closed, runtime.server.stats().failures.length]).toEqual([FAILED, 1]);
    expect(logger.at("warn").filter(([line]) => line === "a handler failed after its timeout").length).toBe(1);
  });

  test("and one that was given up is told that it is over when it asks again", async () => {
    const late = gate();
    let hasEnded = false;
    await using runtime = createTestRuntime({
      failures: "supervise",
      handlerTimeoutMs: 50,
      handler: perConnection(async (connection) => {
        for await (const _ of connection) await late.opened;
        hasEnded = true;
      }),
    });
    const client = await runtime.connect();
    client.send("go");
    await runtime.advance(50);
    late.open();
    await runtime.settle();
    expect([client.closed, hasEnded, runtime.server.stats().failures.length]).toEqual([FAILED, true, 1]);
  });
});

describe("a loop that does not read", () => {
  test("holds up its peer's close frame for closeTimeoutMs while a message waits, and else not at all", async () => {
    await using runtime = createTestRuntime({
      closeTimeoutMs: 5_000,
      handler: perConnection(async (_connection, bus) => {
        for (;;) await bus.sleep(1_000);
      }),
    });
    const [silent, talker] = [await runtime.connect(), await runtime.connect()];
    talker.send("nobody reads this");
    for (const client of [silent, talker]) client.close(4_000);
    await runtime.advance(4_999);
    expect([silent.closed, talker.closed]).toEqual([{ code: 4_000, reason: "" }, undefined]);
    await runtime.advance(1);
    expect(talker.closed).toEqual({ code: 4_000, reason: "" });
  });

  test("sends what it likes for as long as its connection is there, and ends with it", async () => {
    let rounds = 0;
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for (;;) {
          await bus.sleep(1_000);
          connection.send(`tick ${++rounds}`);
        }
      }),
    });
    const client = await runtime.connect();
    client.send("nobody reads this");
    await runtime.advance(100_000);
    expect([client.received.length, client.closed]).toEqual([100, undefined]);
    client.fail(new Error("cut"));
    await runtime.settle();
    await runtime.advance(100_000);
    // Its sleep ended early, and it could not sleep again.
    expect([rounds, runtime.server.stats().failures, runtime.server.stats().connections]).toEqual([101, [], 0]);
  });

  test("is left to the heartbeat when its peer says more than may wait", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection(async (_connection, bus) => {
        for (;;) await bus.sleep(1_000);
      }),
    });
    const [talker, listener] = [await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 100; i++) talker.send("nobody reads this");
    await runtime.advance(100_000);
    expect([talker.closed?.code, listener.closed]).toEqual([1006, undefined]);
    expect(runtime.server.stats()).toMatchObject({ connections: 1, paused: 0, failures: [] });
  });

  test("may ask whether its connection is open", async () => {
    let isOver = false;
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        while (connection.isOpen) {
          await bus.sleep(1_000);
          connection.send("tick");
        }
        isOver = true;
      }),
    });
    const client = await runtime.connect();
    await runtime.advance(2_500);
    client.close();
    await runtime.settle();
    expect([client.received.length, isOver, runtime.server.stats().failures]).toEqual([2, true, []]);
  });

  test("that waits for something with connection.signal is ended by it, which is no failure", async () => {
    let hasEnded = false;
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection(async ({ signal }) => {
        try {
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        } finally {
          hasEnded = true;
        }
      }),
    });
    await expect(runtime.connect()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await runtime.close();
    expect([hasEnded, runtime.server.stats().failures]).toEqual([true, []]);
  });

  test("and hears of nothing is given up handlerTimeoutMs after its connection has gone", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handlerTimeoutMs: 2_000,
      handler: perConnection(() => new Promise(() => {})),
    });
    await expect(runtime.connect()).rejects.toMatchObject({
      code: "NOT_SETTLED",
      message: expect.stringContaining('"open"'),
    });
    await runtime.advance(100_000);
    const [connection] = runtime.server.connections();
    expect(connection?.isOpen).toBe(true);
    connection?.terminate();
    await runtime.advance(1_999);
    expect(runtime.server.stats().failures).toEqual([]);
    await runtime.advance(1);
    expect(runtime.server.stats().failures).toMatchObject([{ event: "open", error: { code: "HANDLER_TIMEOUT" } }]);
  });

  test("may sleep at its goodbyes, once it has been told of the end", async () => {
    const said: string[] = [];
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for await (const _ of connection);
        await bus.sleep(500);
        said.push(`gone since ${bus.now()}`);
        bus.sendall("somebody has left");
      }),
    });
    const [leaver, stayer] = [await runtime.connect(), await runtime.connect()];
    leaver.close();
    await runtime.advance(499);
    expect(said).toEqual([]);
    await runtime.advance(1);
    expect([said, stayer.take()]).toEqual([["gone since 500"], ["somebody has left"]]);
  });
});

describe("closing the server", () => {
  test("lets a loop finish what it is at, and is waited for no longer", async () => {
    const order: string[] = [];
    const runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for await (const message of connection) {
          await bus.sleep(1_000);
          order.push(`handled ${String(message)}`);
        }
        order.push("told");
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b"]) client.send(text);
    await runtime.settle();
    await runtime.close();
    expect([order, client.closed]).toEqual([["handled a", "handled b", "told"], { code: 1001, reason: "going away" }]);
    expect(runtime.now()).toBe(2_000);
  });

  test("waits for no loop that does as it likes", async () => {
    const runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for (;;) {
          await bus.sleep(60_000);
          connection.send("tick");
        }
      }),
    });
    const client = await runtime.connect();
    await runtime.close();
    expect([client.closed, runtime.now(), runtime.server.stats().failures]).toEqual([
      { code: 1001, reason: "going away" },
      0,
      [],
    ]);
  });

  test("goes on as soon as a loop has left its messages", async () => {
    const runtime = createTestRuntime({
      handler: perConnection(async (connection, bus) => {
        for await (const _ of connection) {
          await bus.sleep(100);
          break;
        }
        await bus.sleep(60_000);
      }),
    });
    const client = await runtime.connect();
    client.send("x");
    await runtime.settle();
    await runtime.close();
    expect([client.closed, runtime.now()]).toEqual([{ code: 1001, reason: "going away" }, 100]);
  });

  test("gives up at drainMs what a loop does not finish, and says so", async () => {
    const logger = new Lines();
    const runtime = createTestRuntime({
      failures: "supervise",
      logger,
      handler: perConnection(async (connection) => {
        for await (const _ of connection) await new Promise(() => {});
      }),
    });
    const client = await runtime.connect();
    client.send("hang");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await runtime.close();
    expect([client.closed, runtime.now()]).toEqual([FAILED, 5_000]);
    expect(runtime.server.stats().failures).toMatchObject([{ event: "message", error: { code: "HANDLER_TIMEOUT" } }]);
    expect(logger.at("error").map(([line]) => line)).toContain("handler failed");
  });

  test("leaves no loop behind that hangs, whether it reads or not", async () => {
    const runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection(() => new Promise(() => {})),
    });
    await expect(runtime.connect()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await runtime.close();
    expect(runtime.now()).toBeLessThanOrEqual(10_100);
    expect(failures(runtime)).toEqual([expect.stringContaining("open: ")]);
  });
});

test("a thousand connections that come and go leave nothing behind", async () => {
  const signals: AbortSignal[] = [];
  const loops = { begun: 0, ended: 0 };
  const stage = await HandStage.open({
    heartbeat: false,
    handler: perConnection(async (connection, bus) => {
      loops.begun++;
      signals.push(connection.signal);
      try {
        if (loops.begun % 2 === 0) for (;;) await bus.sleep(1_000);
        for await (const _ of connection) await bus.sleep(1_000);
      } finally {
        loops.ended++;
      }
    }),
  });
  for (let i = 0; i < 1_000; i++) {
    const wire = await stage.connect();
    wire.listener.message("x", 1);
    await stage.settle();
    wire.end(1000);
    await stage.settle();
  }
  expect(loops).toEqual({ begun: 1_000, ended: 1_000 });
  expect(stage.server.stats()).toMatchObject({ connections: 0, failures: [] });
  expect(stage.server.underWay()).toMatchObject({ events: [], sleepers: 0 });
  expect(stage.clock.alarms).toBe(0);
  expect(signals.flatMap((signal) => getEventListeners(signal, "abort"))).toEqual([]);
});
