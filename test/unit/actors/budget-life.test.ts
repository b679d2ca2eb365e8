/** A connection that rests, and all that watches connections: heartbeat, silence, sessions, channels, the mailbox. */
import { type Bus, channels, type ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { namesOf, recorder } from "../session/peer.js";
import { HandStage } from "../stage.js";
import { closeHand, noting, sendMany, steps } from "./budget-stage.js";

const SLOW = { messagesPerSecond: 0.1, burstSeconds: 10 };

describe("the heartbeat", () => {
  const open = async (isOver: boolean) => {
    const events: string[] = [];
    const stage = await HandStage.open({
      heartbeat: { intervalMs: 1_500, timeoutMs: 500 },
      handlerTimeoutMs: 2_000,
      budget: SLOW,
      handler: (event: ServerEvent) => void events.push(event.type),
    });
    const peer = await stage.connect();
    for (const text of isOver ? ["a", "b"] : ["a"]) peer.listener.message(text, 1);
    await stage.settle();
    return { stage, peer, events };
  };

  test("leaves a peer that rests alone for as long as the rest takes, even beyond handlerTimeoutMs", async () => {
    const { stage, peer, events } = await open(true);
    await stage.advance(9_999);
    expect(peer.take()).toEqual(["pause"]);
    expect(events).toEqual(["open", "message"]);
    await stage.advance(1);
    expect(events).toEqual(["open", "message", "message"]);
    expect(peer.take()).toEqual(["resume"]);
    peer.end();
    await closeHand(stage);
  });

  test("finds a peer that is dead once the rest is over", async () => {
    const { stage, peer, events } = await open(true);
    await stage.advance(12_000);
    expect(peer.take()).toEqual(["pause", "resume", "ping heartbeat", "terminate"]);
    peer.end();
    await stage.settle();
    expect(events).toEqual(["open", "message", "message", "closed"]);
    await closeHand(stage);
  });

  test("cuts a silent peer that is within its budget, as ever", async () => {
    const { stage, peer } = await open(false);
    await stage.advance(2_000);
    expect(peer.take()).toEqual(["ping heartbeat", "terminate"]);
    peer.end();
    await closeHand(stage);
  });
});

describe("silence", () => {
  test("a peer that rests is not idle, and its silence begins at the end of the rest", async () => {
    const events: string[] = [];
    const stage: HandStage = await HandStage.open({
      heartbeat: false,
      idleTimeoutMs: 8_000,
      budget: SLOW,
      handler(event: ServerEvent) {
        events.push(`${stage?.clock.now() ?? 0} ${event.type}`);
        if (event.type === "open") event.connection.idle(4_000);
      },
    });
    const peer = await stage.connect();
    for (const text of ["a", "b"]) peer.listener.message(text, 1);
    await stage.advance(17_999);
    expect(events.slice(1)).toEqual(["0 message", "10000 message", "14000 idle"]);
    expect(peer.take()).toEqual(["pause", "resume"]);
    await stage.advance(1);
    expect(peer.take()).toEqual(["close 1000 idle", "resume"]);
    peer.end(1000, "idle");
    await closeHand(stage);
  });
});

describe("the bounds of the mailbox", () => {
  test("hold beside the budget: a connection is resumed once neither has a reason to pause", async () => {
    const handled: string[] = [];
    const stage = await HandStage.open({
      heartbeat: false,
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      budget: { messagesPerSecond: 1, burstSeconds: 1 },
      handler: (event: ServerEvent) => void (event.type === "message" && handled.push(event.text)),
    });
    const peer = await stage.connect();
    for (const text of "abcdef") peer.listener.message(text, 1);
    await stage.settle();
    expect(stage.server.stats()).toMatchObject({ paused: 1, restingEvents: 5, overBudget: 1 });
    await stage.advance(4_000);
    expect(handled.join("")).toBe("abcde");
    // One waits: the mailbox has room again, but the connection rests.
    expect(stage.server.stats()).toMatchObject({ paused: 0, restingEvents: 1 });
    expect(peer.take()).toEqual(["pause"]);
    await stage.advance(1_000);
    expect(handled.join("")).toBe("abcdef");
    expect(peer.take()).toEqual(["resume"]);
    peer.end();
    await closeHand(stage);
  });
});

describe("a session", () => {
  const open = async (graceMs = 120_000) => {
    const record = recorder();
    const stage = await HandStage.open({
      heartbeat: false,
      budget: { messagesPerSecond: 1, burstSeconds: 1 },
      resume: { graceMs },
      handler: record.handler,
    });
    let socket = await stage.connect("/", { protocols: namesOf() });
    const token: string = JSON.parse(socket.take()[0]?.slice("write ~".length) ?? "").session;
    let dial = 0;
    return {
      stage,
      take: record.take,
      send: (...messages: readonly string[]) => {
        for (const text of messages) socket.listener.message(text, text.length);
      },
      cut: () => socket.end(),
      async comeBack() {
        socket = await stage.connect("/", { protocols: namesOf({ token, received: 0, lost: 0, dial: ++dial }) });
        return socket;
      },
    };
  };

  test("rests on over its next socket, and away and back keep their places among the messages", async () => {
    const { stage, take, send, cut, comeBack } = await open();
    send("a", "b");
    await stage.settle();
    expect(take()).toEqual(["open", "a"]);
    cut();
    const next = await comeBack();
    expect(next.calls.slice(1)).toEqual(["pause"]);
    // Arrives although paused, as the rest of a read does.
    send("c");
    await stage.settle();
    expect(take()).toEqual([]);
    await stage.advance(1_000);
    expect(take()).toEqual(["b", "away", "back 0 0"]);
    await stage.advance(1_000);
    expect(take()).toEqual(["c"]);
    expect(next.calls.slice(1)).toEqual(["pause", "resume"]);
    cut();
    await closeHand(stage);
  });

  test("tells absences that wait behind a rest as one, so that no peer fills the mailbox by losing sockets", async () => {
    const { stage, take, send, cut, comeBack } = await open();
    send("a", "b");
    for (let i = 0; i < 20; i++) {
      cut();
      await comeBack();
    }
    expect(stage.server.stats().restingEvents).toBe(3);
    await stage.advance(1_000);
    expect(take()).toEqual(["open", "a", "b", "away", "back 0 0"]);
    cut();
    await closeHand(stage);
  });

  test("does not get past its budget by losing sockets", async () => {
    const { stage, take, send, cut, comeBack } = await open();
    for (let i = 0; i < 20; i++) {
      send(`${i} 1`, `${i} 2`, `${i} 3`);
      cut();
      await comeBack();
    }
    await stage.advance(9_000);
    expect(take().filter((event) => /^\d/.test(event))).toHaveLength(10);
    cut();
    await closeHand(stage);
  });

  test("acknowledges what waits for tokens, and hands everything over when it ends by staying away", async () => {
    const { stage, take, send, cut, comeBack } = await open(500);
    send("a", "b", "c");
    cut();
    const next = await comeBack();
    expect(JSON.parse(next.calls[0]?.slice("write ~".length) ?? "")).toMatchObject({ resumed: true, received: 3 });
    next.end();
    await stage.advance(499);
    expect(take()).toEqual(["open", "a"]);
    await stage.advance(1);
    expect(take()).toEqual(["b", "c", "away", "back 0 0", "away", "closed 1006 lost away too long"]);
    expect(stage.clock.alarms).toBe(0);
    await closeHand(stage);
  });
});

describe("channels", () => {
  test("share the budget of their socket, and what their handlers take is charged to the socket", async () => {
    const done: string[] = [];
    await using runtime = createTestRuntime({
      budget: { handlerMsPerSecond: 100, burstSeconds: 1 },
      handler: channels({
        slow: async (event: ServerEvent, bus: { sleep(ms: number): Promise<void> }) => {
          if (event.type !== "message") return;
          done.push(`${runtime.now()} ${event.text}`);
          await bus.sleep(200);
        },
        fast: (event: ServerEvent) => {
          if (event.type === "message") done.push(`${runtime.now()} ${event.text}`);
        },
      }),
    });
    const client = await runtime.connect();
    for (const text of ["sub,slow", "sub,fast", "msg,slow,a", "msg,fast,b", "msg,slow,c", "msg,fast,d"])
      client.send(text);
    await runtime.advance(10_000);
    // 100 ms are owed after a, and come back in a second; c leaves a debt of 180.
    expect(done).toEqual(["0 a", "1200 b", "1200 c", "3200 d"]);
  });

  test("spend a token for each message of the socket", async () => {
    const done: string[] = [];
    await using runtime = createTestRuntime({
      budget: { messagesPerSecond: 1, burstSeconds: 2 },
      handler: channels({ a: (event: ServerEvent) => void done.push(`${runtime.now()} ${event.type}`) }),
    });
    const client = await runtime.connect();
    for (const text of ["sub,a", "msg,a,1", "msg,a,2", "uns,a"]) client.send(text);
    await runtime.advance(10_000);
    expect(done).toEqual(["0 open", "0 message", "1000 message", "2000 closed"]);
  });

  test("of which one ends with messages waiting do not hold up the others", async () => {
    const done: string[] = [];
    await using runtime = createTestRuntime({
      budget: { handlerMsPerSecond: 500 },
      handler: channels({
        a: async (event: ServerEvent, bus: Bus) => {
          if (event.type !== "message") return;
          done.push(event.text);
          await bus.sleep(50);
          for (const one of bus.connections()) if (one !== event.connection) one.close();
        },
        b: (event: ServerEvent) => void (event.type === "message" && done.push(event.text)),
      }),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const text of ["sub,a", "sub,b"]) for (const client of [ann, bob]) client.send(text);
    await runtime.settle();
    ann.send("msg,a,first");
    await runtime.settle();
    for (const text of ["msg,a,discarded", "msg,b,second", "msg,b,third"]) bob.send(text);
    await runtime.advance(1_000);
    expect(done).toEqual(["first", "second", "third"]);
  });
});

describe("a handler that takes its time", () => {
  test('with "connection" handles the messages that have tokens one at a time', async () => {
    const stage = noting({ messagesPerSecond: 10, burstSeconds: 0.3 }, {
      concurrency: "connection",
      async handler(event: ServerEvent, bus: { sleep(ms: number): Promise<void> }) {
        stage.note(event);
        await bus.sleep(30);
      },
    } as never);
    await using runtime = stage.runtime;
    const client = await stage.connect("ann");
    sendMany(client, 6);
    await runtime.advance(1_000);
    expect(stage.take()).toEqual([...steps(3, { at: 30, everyMs: 30 }), ...["120 3", "200 4", "300 5"]]);
  });
});
