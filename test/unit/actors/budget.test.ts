/** Budgets in virtual time: who rests and for how long, in what order what waits is handled, and what the others notice. */
import { type Connection, noreply, perConnection, type ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { HandStage, Lines } from "../stage.js";
import { closeHand, noting, sendMany, steps } from "./budget-stage.js";

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
    expect(stage.stats()).toMatchObject({ resting: 0, restingEvents: 0, discarded: 0, dropped: 0 });
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
    await closeHand(stage);
  });

  test("by the loss of the socket: what has arrived is handled at once, then error and closed", async () => {
    const { stage, peer, take } = await resting();
    peer.listener.failed(new Error("reset"));
    peer.end();
    await stage.settle();
    expect(take()).toEqual(["b", "c", "d", "e", "error", "closed"]);
    expect(stage.clock.alarms).toBe(0);
    await closeHand(stage);
  });

  test("by our side: what waits is discarded and counted, and only closed follows", async () => {
    const { stage, peer, take } = await resting();
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 1, restingEvents: 4, overBudget: 1 });
    stage.server.connections()[0]?.close(4000, "enough");
    expect(peer.take()).toEqual(["resume", "close 4000 enough", "resume"]);
    peer.end(4000, "enough");
    await stage.advance(60_000);
    expect(take()).toEqual(["closed"]);
    expect(stage.server.stats()).toMatchObject({
      discarded: 4,
      mailboxEvents: 0,
      resting: 0,
      restingEvents: 0,
      paused: 0,
    });
    expect(stage.clock.alarms).toBe(0);
    await closeHand(stage);
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
    expect(lines.at("warn").map(([text, { over, route }]) => [text, over, route])).toEqual([
      ["over budget", "close", "*"],
    ]);
    other.send("still here");
    await stage.runtime.settle();
    expect(stage.take()).toEqual(["0 still here"]);
  });

  test("a budget with 0 for its limit is none", async () => {
    await using stage = noting({ messagesPerSecond: 0, burstSeconds: 0, over: "close" });
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
    expect(stub.server.stats()).toMatchObject({ resting: 10_000, restingEvents: 10_000, mailboxEvents: 0 });
    expect(stub.clock.alarms).toBe(1);
    await stub.advance(1_000);
    expect(stub.server.stats()).toMatchObject({ overBudget: 10_000, resting: 0, restingEvents: 0, mailboxEvents: 0 });
    expect(stub.clock.alarms).toBe(0);
    expect(peers.every((peer) => peer.calls.join() === "pause,resume")).toBe(true);
    for (const peer of peers) peer.end();
    await closeHand(stub);
  });
});
