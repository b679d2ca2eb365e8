/** Budgets in virtual time: who rests and for how long, in what order what waits is handled, and what the others notice. */
import { type Connection, reject, type ServerEvent, type UpgradeRequest } from "sendall";
import { describe, expect, test } from "vitest";
import { HandStage, Lines } from "../stage.js";
import { noting, sendMany, steps } from "./budget-stage.js";

describe('a budget with "pause"', () => {
  test("lets the burst through at once, then a message each time a token comes, in order, and loses none", async () => {
    await using stage = noting({ messagesPerSecond: 10 });
    const client = await stage.connect("ann");
    sendMany(client, 50);
    await stage.runtime.settle();
    expect(stage.take()).toEqual(steps(20));
    await stage.runtime.advance(1_000);
    expect(stage.take()).toEqual(steps(10, { at: 100, everyMs: 100, from: 20 }));
    await stage.runtime.advance(10_000);
    expect(stage.take()).toEqual(steps(20, { at: 1_100, everyMs: 100, from: 30 }));
    expect(stage.stats()).toMatchObject({ mailboxEvents: 0, discarded: 0, dropped: 0 });
  });

  test("handles each message of 999 others in the turn in which it comes, beside a flood of 100,000", async () => {
    await using stage = noting({ messagesPerSecond: 10 });
    const flooder = await stage.connect("flooder");
    const others = await Promise.all(Array.from({ length: 999 }, (_, i) => stage.connect(`other ${i}`)));
    stage.take();
    sendMany(flooder, 100_000);
    await stage.runtime.settle();
    expect(stage.take()).toHaveLength(20);
    for (let second = 0; second < 3; second++) {
      const now = stage.runtime.now();
      for (const [i, other] of others.entries()) other.send(`${second} ${i}`);
      await stage.runtime.settle();
      expect(stage.takeAll()).toEqual(others.map((_, i) => `${now} other ${i} ${second} ${i}`));
      await stage.runtime.advance(1_000);
      expect(stage.take()).toHaveLength(10);
    }
    flooder.fail(new Error("gone"));
  });

  test("keeps tokens for the burst and no longer", async () => {
    await using stage = noting({ messagesPerSecond: 4, burstSeconds: 0.5 });
    const client = await stage.connect("ann");
    await stage.runtime.advance(60_000);
    sendMany(client, 4);
    await stage.runtime.advance(10_000);
    expect(stage.take()).toEqual(["60000 0", "60000 1", "60250 2", "60500 3"]);
  });

  test("with burstSeconds 0 spaces messages evenly", async () => {
    await using stage = noting({ messagesPerSecond: 2, burstSeconds: 0 });
    const client = await stage.connect("ann");
    sendMany(client, 3);
    await stage.runtime.advance(5_000);
    expect(stage.take()).toEqual(steps(3, { everyMs: 500 }));
  });

  test("takes fractions of a message a second", async () => {
    await using stage = noting({ messagesPerSecond: 0.1 });
    const client = await stage.connect("ann");
    sendMany(client, 3);
    await stage.runtime.advance(60_000);
    // Two tenths of a token fit, so a message needs a full bucket and leaves a debt of eight tenths.
    expect(stage.take()).toEqual(["0 0", "10000 1", "20000 2"]);
  });

  test("counts bytes, and lets a message longer than the burst through on credit", async () => {
    await using stage = noting({ bytesPerSecond: 100, burstSeconds: 1 });
    const client = await stage.connect("ann");
    for (const [length, mark] of [
      [60, "a"],
      [60, "b"],
      [1_000, "c"],
      [1, "d"],
    ] as const)
      client.send(mark.repeat(length));
    await stage.runtime.advance(60_000);
    // b waits for 20 bytes, c for a full bucket, d until the 900 bytes beyond the burst and its own are paid for.
    expect(stage.take().map((one) => one.slice(0, one.indexOf(" ") + 2))).toEqual([
      "0 a",
      "200 b",
      "1200 c",
      "10210 d",
    ]);
  });

  test("lets what the program tells a connection go past what waits for tokens", async () => {
    await using stage = noting({ messagesPerSecond: 1, burstSeconds: 1 }, { mailbox: { maxInfo: 2 } });
    const client = await stage.connect("ann");
    sendMany(client, 3);
    await stage.runtime.settle();
    const [connection] = stage.runtime.server.connections();
    for (const data of ["x", "y", "z"]) {
      expect(stage.runtime.server.tell(data, connection as Connection)).toBe(true);
      await stage.runtime.settle();
    }
    await stage.runtime.advance(5_000);
    expect(stage.take()).toEqual(["0 0", "0 info x", "0 info y", "0 info z", "1000 1", "2000 2"]);
  });

  test("does not count pings, and keeps them in their place among the messages", async () => {
    const told: string[] = [];
    const { perConnection, noreply } = await import("sendall");
    const stage = noting(
      { messagesPerSecond: 1, burstSeconds: 1 },
      {
        handler: perConnection({
          init: () => 0,
          handle(message) {
            told.push(String(message));
            return noreply(0);
          },
          ping(data) {
            told.push(`ping ${data}`);
            return noreply(0);
          },
        }),
      },
    );
    await using runtime = stage.runtime;
    const client = await stage.connect("ann");
    for (let i = 0; i < 100; i++) client.ping("early");
    await runtime.settle();
    expect(told.splice(0)).toEqual(Array(100).fill("ping early"));
    client.send("a");
    client.send("b");
    client.ping("late");
    client.send("c");
    await runtime.settle();
    expect(told).toEqual(["a"]);
    await runtime.advance(1_000);
    expect(told).toEqual(["a", "b", "ping late"]);
    await runtime.advance(1_000);
    expect(told).toEqual(["a", "b", "ping late", "c"]);
  });
});

describe("the end of a connection that rests", () => {
  /** A connection of which a is handled, and b to e wait. */
  const resting = async () => {
    const events: ServerEvent[] = [];
    const stage = await HandStage.open({
      heartbeat: false,
      budget: { messagesPerSecond: 1, burstSeconds: 1 },
      handler: (event: ServerEvent) => void events.push(event),
    });
    const peer = await stage.connect();
    for (const text of "abcde") peer.listener.message(text, 1);
    await stage.settle();
    const take = () => events.splice(0).map((event) => (event.type === "message" ? event.text : event.type));
    expect(take()).toEqual(["open", "a"]);
    expect(peer.take()).toEqual(["pause"]);
    return { stage, peer, take };
  };

  test("by the peer: what has arrived is handled at once, then closed", async () => {
    const { stage, peer, take } = await resting();
    peer.listener.concluded(1000, "bye", false);
    await stage.settle();
    expect(take()).toEqual(["b", "c", "d", "e"]);
    expect(peer.take()).toEqual(["resume", "close 1000 bye", "resume"]);
    peer.end(1000, "bye");
    await stage.settle();
    expect(take()).toEqual(["closed"]);
    expect(stage.clock.alarms).toBe(0);
    await stage.server.close();
  });

  test("by the loss of the socket: what has arrived is handled at once, then error and closed", async () => {
    const { stage, peer, take } = await resting();
    peer.listener.failed(new Error("reset"));
    peer.end();
    await stage.settle();
    expect(take()).toEqual(["b", "c", "d", "e", "error", "closed"]);
    expect(stage.clock.alarms).toBe(0);
    await stage.server.close();
  });

  test("by our side: what waits is discarded and counted, and only closed follows", async () => {
    const { stage, peer, take } = await resting();
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 4, overBudget: 1 });
    stage.server.connections()[0]?.close(4000, "enough");
    expect(peer.take()).toEqual(["resume", "close 4000 enough", "resume"]);
    peer.end(4000, "enough");
    await stage.advance(60_000);
    expect(take()).toEqual(["closed"]);
    expect(stage.server.stats()).toMatchObject({ discarded: 4, mailboxEvents: 0, paused: 0 });
    expect(stage.clock.alarms).toBe(0);
    await stage.server.close();
  });

  test("by server.close: what has arrived is handled without waiting for tokens", async () => {
    const { stage, peer, take } = await resting();
    const closed = stage.server.close();
    await stage.settle();
    expect(take()).toEqual(["b", "c", "d", "e"]);
    expect(peer.take()).toEqual(["pause", "close 1001 going away", "resume"]);
    peer.end(1001, "going away");
    await stage.settle();
    await closed;
    expect(take()).toEqual(["closed"]);
  });
});

describe("other policies", () => {
  test('"drop" drops exactly the messages without a token, counts them, and pauses nothing', async () => {
    await using stage = noting({ messagesPerSecond: 10, burstSeconds: 0.5, over: "drop" });
    const client = await stage.connect("ann");
    const survivors: string[] = [];
    for (let at = 0; at < 2_000; at += 40) {
      for (const name of ["x", "y"]) client.send(`${at}${name}`);
      await stage.runtime.advance(40);
      survivors.push(...stage.take());
    }
    // Five at first; then one for every 100 ms, the first that comes after the token.
    expect(survivors.slice(0, 5).map((one) => one.split(" ")[1])).toEqual(["0x", "0y", "40x", "40y", "80x"]);
    expect(survivors.slice(5).map((one) => one.split(" ")[1])).toEqual(
      Array.from({ length: 19 }, (_, i) => `${Math.ceil((100 * (i + 1)) / 40) * 40}x`),
    );
    expect(stage.stats()).toMatchObject({ overBudget: 100 - survivors.length, dropped: 0, discarded: 0, paused: 0 });
    expect(stage.stats().received.messages).toBe(100);
  });

  test('"close" closes with 1008 "over budget", and counts the message among the discarded', async () => {
    const lines = new Lines();
    await using stage = noting({ messagesPerSecond: 10, burstSeconds: 0.2, over: "close" }, { logger: lines as never });
    const client = await stage.connect("ann");
    const other = await stage.connect("bob");
    sendMany(client, 3);
    await stage.runtime.settle();
    expect(client.closed).toEqual({ code: 1008, reason: "over budget" });
    expect(stage.take()).toEqual(["0 closed"]);
    expect(stage.stats()).toMatchObject({ overBudget: 1, discarded: 3, connections: 1 });
    expect(stage.stats().closedBy).toEqual([{ code: 1008, by: "server", count: 1 }]);
    expect(lines.at("warn").map(([text, { over }]) => [text, over])).toEqual([["over budget", "close"]]);
    other.send("still here");
    await stage.runtime.settle();
    expect(stage.take()).toEqual(["0 still here"]);
  });

  test("a budget without a limit is none", async () => {
    await using stage = noting({ burstSeconds: 0, over: "close" });
    const client = await stage.connect("ann");
    sendMany(client, 1_000);
    await stage.runtime.settle();
    expect(stage.take()).toEqual(steps(1_000));
  });

  test("a route has its own budget, and the options at the top are its defaults", async () => {
    const handled: string[] = [];
    const handler = (event: ServerEvent): void => {
      if (event.type === "message") handled.push(`${event.connection.path} ${event.text}`);
    };
    await using stage = noting({ messagesPerSecond: 1, burstSeconds: 3 }, {
      handler: undefined,
      routes: { "/slow": { handler }, "/free": { budget: { messagesPerSecond: 0 }, handler } },
    } as never);
    for (const path of ["/slow", "/free"]) sendMany(await stage.runtime.connect({ path }), 5);
    await stage.runtime.settle();
    expect(handled.filter((one) => one.startsWith("/slow"))).toHaveLength(3);
    expect(handled.filter((one) => one.startsWith("/free"))).toHaveLength(5);
    expect(stage.runtime.server.route("/slow").stats().overBudget).toBe(1);
    expect(stage.runtime.server.route("/free").stats().overBudget).toBe(0);
  });
});

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
    await stage.server.close();
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
    await stub.server.close();
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
    await expect(stage.connect("eve")).rejects.toMatchObject({ status: 401 });
    expect(calls).toEqual(["key ann", "open", "message", "message"]);
  });

  test.each([
    ["a throw", () => Reflect.get(undefined as never, "user"), "Reflect.get called on non-object"],
    ["a number", () => 7, "budget.key: expected a string, got 7"],
    ["a promise", async () => "ann", "budget.key: expected a string, got a promise"],
    ["nothing", () => undefined, "budget.key: expected a string, got undefined"],
  ])("that gives %s is a failure, and closes the connection alone with 1011", async (_what, broken, message) => {
    let isBroken = true;
    const stage = noting(
      { messagesPerSecond: 1, key: () => (isBroken ? (broken() as unknown as string) : "fine") },
      { failures: "supervise", logger: false },
    );
    await using runtime = stage.runtime;
    const refused = runtime.connect({ query: { nick: "ann" } });
    await refused.catch(() => {});
    await runtime.settle();
    expect(runtime.clients[0]?.closed).toEqual({ code: 1011, reason: "handler failed" });
    expect(stage.take()).toEqual(["0 closed"]);
    const [failure] = stage.stats().failures;
    expect(failure?.event).toBe("budget.key");
    expect(String(failure?.error)).toContain(message);
    isBroken = false;
    const client = await stage.connect("bob");
    client.send("hi");
    await runtime.settle();
    expect(stage.take()).toEqual(["0 hi"]);
  });
});

describe("what a budget costs", () => {
  test("10,000 connections that rest have one timer", async () => {
    const stub = await HandStage.open({
      heartbeat: false,
      budget: { messagesPerSecond: 1, burstSeconds: 1 },
      handler() {},
    });
    const peers = await Promise.all(Array.from({ length: 10_000 }, () => stub.connect()));
    for (const peer of peers) for (const text of ["a", "b"]) peer.listener.message(text, 1);
    await stub.settle();
    expect(stub.server.stats()).toMatchObject({ overBudget: 10_000, mailboxEvents: 10_000 });
    expect(stub.clock.alarms).toBe(1);
    await stub.advance(1_000);
    expect(stub.server.stats()).toMatchObject({ overBudget: 10_000, mailboxEvents: 0 });
    expect(stub.clock.alarms).toBe(0);
    expect(peers.every((peer) => peer.calls.join() === "pause,resume")).toBe(true);
    for (const peer of peers) peer.end();
    await stub.server.close();
  });
});
