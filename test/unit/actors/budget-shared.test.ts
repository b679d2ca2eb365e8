/** What a budget charges for the time of the handler, and connections that share a bucket. */
import { type Connection, perConnection, reject, type ServerEvent, type UpgradeRequest } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { HandStage } from "../stage.js";
import { closeHand, noting, sendMany } from "./budget-stage.js";

describe("handlerMsPerSecond", () => {
  /** Each message says how many milliseconds its handling takes. */
  const sleeping = (budget: object, options: object = {}) => {
    const done: string[] = [];
    const stage = noting(budget, {
      ...options,
      async handler(event: ServerEvent, bus: { sleep(ms: number): Promise<void> }) {
        if (event.type !== "message") return;
        const [who, ms] = event.text.split(" ");
        done.push(`${stage.runtime.now()} ${who}`);
        await bus.sleep(Number(ms));
      },
    } as never);
    return { ...stage, done };
  };

  test("charges the time that the handler was busy, and the next message waits until the time is paid for", async () => {
    const { runtime, connect, done } = sleeping(
      { handlerMsPerSecond: 100, burstSeconds: 1 },
      { concurrency: "connection" },
    );
    await using _ = runtime;
    const client = await connect("ann");
    for (const text of ["a 60", "b 60", "c 0", "d 0"]) client.send(text);
    await runtime.advance(10_000);
    // The full bucket holds 100 ms: 40 are left after a; 6 have come back after b, and 14 are owed, for 140 ms.
    expect(done).toEqual(["0 a", "60 b", "260 c", "260 d"]);
  });

  test("never has more than one message of a connection under way before it is known what the last one cost", async () => {
    const { runtime, connect, done, stats } = sleeping({ handlerMsPerSecond: 500, burstSeconds: 2 });
    await using _ = runtime;
    const client = await connect("ann");
    for (let i = 0; i < 100; i++) client.send(`${i} 100`);
    await runtime.advance(11_000);
    // The burst of 1,000 ms and half of the time: about 1,000 / 100 at once, then 5 a second.
    expect(done.length).toBeGreaterThanOrEqual(60);
    expect(done.length).toBeLessThanOrEqual(67);
    expect(stats().overBudget).toBeGreaterThan(0);
  });

  test("leaves the others their share while a client's events are slow", async () => {
    const { runtime, connect, done } = sleeping({ handlerMsPerSecond: 200, burstSeconds: 1 });
    await using _ = runtime;
    const greedy = await connect("greedy");
    const calm = await connect("calm");
    for (let i = 0; i < 50; i++) greedy.send("greedy 100");
    for (let second = 0; second < 20; second++) {
      calm.send("calm 1");
      await runtime.advance(1_000);
    }
    const of = (who: string): string[] => done.filter((one) => one.endsWith(who));
    expect(of("calm")).toHaveLength(20);
    // 200 ms of burst and 200 ms in each of 20 seconds.
    expect(of("greedy").length * 100).toBeLessThanOrEqual(200 + 20 * 200 + 100);
    expect(of("greedy").length * 100).toBeGreaterThanOrEqual(20 * 200 - 100);
  });

  test('with "drop" drops what comes to its turn while time is owed', async () => {
    const { runtime, connect, done, stats } = sleeping({ handlerMsPerSecond: 100, burstSeconds: 1, over: "drop" });
    await using _ = runtime;
    const client = await connect("ann");
    for (const text of ["a 150", "b 1", "c 1"]) client.send(text);
    await runtime.advance(150);
    expect(done).toEqual(["0 a"]);
    expect(stats()).toMatchObject({ overBudget: 2, mailboxEvents: 0 });
    await runtime.advance(499);
    client.send("d 1");
    await runtime.advance(1);
    client.send("e 1");
    await runtime.settle();
    expect(done).toEqual(["0 a", "650 e"]);
    expect(stats().overBudget).toBe(3);
  });

  test('with "close" closes when a message comes to its turn while time is owed', async () => {
    const { runtime, connect, done, stats } = sleeping({ handlerMsPerSecond: 100, burstSeconds: 1, over: "close" });
    await using _ = runtime;
    const client = await connect("ann");
    for (const text of ["a 250", "b 1", "c 1"]) client.send(text);
    await runtime.advance(250);
    expect(done).toEqual(["0 a"]);
    expect(client.closed).toEqual({ code: 1008, reason: "over budget" });
    expect(stats()).toMatchObject({ overBudget: 1, discarded: 2, mailboxEvents: 0 });
  });
});

describe("handlers that wait", () => {
  test("a loop pays for the time until it asks for the next message", async () => {
    const handled: string[] = [];
    await using runtime = createTestRuntime({
      budget: { handlerMsPerSecond: 100, burstSeconds: 1 },
      handler: perConnection(async (connection, bus) => {
        for await (const message of connection) {
          handled.push(`${runtime.now()} ${String(message)}`);
          await bus.sleep(150);
        }
      }),
    });
    const client = await runtime.connect();
    for (const text of ["a", "b", "c"]) client.send(text);
    await runtime.advance(5_000);
    // Whoever waits for a message pays nothing. 50 ms are owed at 150, for half a second; b leaves a debt of 135.
    expect(handled).toEqual(["0 a", "650 b", "2150 c"]);
  });
});

describe("key", () => {
  const key = (connection: Connection): string => connection.query.get("user") ?? "";
  const connectAs = (stage: ReturnType<typeof noting>, user: string, nick = user) =>
    stage.runtime.connect({ query: { user, nick } });

  test("gives connections of a name one bucket, with tokens in turns", async () => {
    await using stage = noting({ messagesPerSecond: 10, burstSeconds: 0.2, key });
    const [a, b] = [await connectAs(stage, "ann", "a"), await connectAs(stage, "ann", "b")];
    const c = await connectAs(stage, "bob", "c");
    sendMany(a, 5);
    await stage.runtime.settle();
    sendMany(b, 3);
    sendMany(c, 2);
    await stage.runtime.advance(1_000);
    expect(stage.takeAll()).toEqual([
      ...["0 a 0", "0 a 1", "0 c 0", "0 c 1"],
      ...["100 a 2", "200 b 0", "300 a 3", "400 b 1", "500 a 4", "600 b 2"],
    ]);
  });

  test("keeps what is owed when a client comes back under its name, until it is paid for", async () => {
    const times: number[] = [];
    const stage: HandStage = await HandStage.open({
      heartbeat: false,
      budget: { messagesPerSecond: 10, burstSeconds: 0.2, key },
      handler: ({ type }: ServerEvent) => void (type === "message" && times.push(stage.clock.now())),
    });
    const first = await stage.connect("/?user=ann");
    for (let i = 0; i < 10; i++) first.listener.message("a", 1);
    first.end();
    await stage.settle();
    expect(times.splice(0)).toEqual(Array(10).fill(0));
    const second = await stage.connect("/?user=ann");
    second.listener.message("b", 1);
    const other = await stage.connect("/?user=bob");
    other.listener.message("b", 1);
    await stage.advance(2_000);
    // Eight were taken on credit, and the message needs its own.
    expect(times).toEqual([0, 900]);
    for (const peer of [second, other]) peer.end();
    await closeHand(stage);
  });

  test("makes who comes back under an owing name wait for its own tokens alone", async () => {
    await using stage = noting({ messagesPerSecond: 10, key });
    const first = await connectAs(stage, "ann");
    sendMany(first, 20);
    await stage.runtime.settle();
    first.close();
    await stage.runtime.settle();
    stage.take();
    const second = await connectAs(stage, "ann");
    sendMany(second, 3);
    await stage.runtime.advance(5_000);
    expect(stage.take()).toEqual(["100 0", "200 1", "300 2"]);
  });

  test("lets the next in line go on when a connection leaves the line", async () => {
    await using stage = noting({ bytesPerSecond: 100, burstSeconds: 10, key });
    const [a, b] = [await connectAs(stage, "ann", "a"), await connectAs(stage, "ann", "b")];
    a.send("x".repeat(1_000));
    await stage.runtime.settle();
    a.send("y".repeat(900));
    await stage.runtime.settle();
    b.send("hello");
    await stage.runtime.settle();
    stage.take();
    stage.runtime.server
      .connections()
      .find(({ id }) => id === a.id)
      ?.close();
    await stage.runtime.advance(10_000);
    expect(stage.takeAll()).toEqual(["0 a closed", "50 b hello"]);
  });

  test("forgets a name once nobody has it and nothing is owed", async () => {
    const stub = await HandStage.open({
      heartbeat: false,
      budget: { messagesPerSecond: 10, burstSeconds: 2, key },
      handler() {},
    });
    for (let i = 0; i < 50; i++) {
      const peer = await stub.connect(`/?user=${i}`);
      peer.listener.message("a", 1);
      peer.end();
    }
    await stub.settle();
    expect(stub.clock.alarms).toBe(1);
    await stub.advance(100);
    expect(stub.clock.alarms).toBe(0);
    await closeHand(stub);
  });

  test("is called once for each connection, before open, with the data of authorize", async () => {
    const calls: string[] = [];
    await using stage = noting(
      {
        messagesPerSecond: 10,
        key(connection) {
          calls.push(`key ${Reflect.get(connection.data as object, "user")}`);
          return "all";
        },
      },
      {
        authorize: ({ query }: UpgradeRequest) =>
          query.get("nick") === "eve" ? reject(401) : { user: query.get("nick") },
        handler: (event: ServerEvent) => void calls.push(event.type),
      } as never,
    );
    const client = await stage.connect("ann");
    client.send("a");
    client.send("b");
    await stage.runtime.settle();
    await expect(stage.connect("eve")).rejects.toMatchObject({ status: 401 });
    expect(calls).toEqual(["key ann", "open", "message", "message"]);
  });

  test.each([
    ["a throw", () => Reflect.get(undefined as never, "user"), "Reflect.get called on non-object"],
    ["a number", () => 7, "budget.key: expected a string, got 7"],
    ["a promise", async () => "ann", "budget.key: expected a string, got an object of class Promise"],
    ["nothing", () => undefined, "budget.key: expected a string, got undefined"],
  ])("that gives %s is a failure, and closes the connection alone with 1011", async (_what, broken, message) => {
    let isBroken = true;
    const stage = noting(
      { messagesPerSecond: 1, key: () => (isBroken ? (broken() as unknown as string) : "fine") },
      { failures: "supervise", logger: false },
    );
    await using runtime = stage.runtime;
    const unlucky = await stage.connect("ann");
    await runtime.settle();
    expect(unlucky.closed).toEqual({ code: 1011, reason: "handler failed" });
    expect(stage.take()).toEqual(["0 closed"]);
    const [failure] = stage.stats().failures;
    expect(failure?.event).toBe("budget.key");
    expect(String(failure?.error)).toContain(message);
    isBroken = false;
    const lucky = await stage.connect("bob");
    lucky.send("hi");
    await runtime.settle();
    expect(stage.take()).toEqual(["0 hi"]);
  });
});
