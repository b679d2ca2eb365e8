/** A connection: its facts, its verbs, and how it ends, on a transport driven by the test. */
import type { Connection, ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { HandStage, type HandTransport, Lines } from "../stage.js";

/** A stage whose handler keeps every event, and the connection of the last. */
async function keeping(options: object = {}): Promise<{
  readonly stage: HandStage;
  readonly events: ServerEvent[];
  connect(url?: string): Promise<{ readonly transport: HandTransport; readonly connection: Connection }>;
}> {
  const events: ServerEvent[] = [];
  const stage = await HandStage.open({
    heartbeat: false,
    ...options,
    handler: (event: ServerEvent) => void events.push(event),
  });
  return {
    stage,
    events,
    async connect(url = "/") {
      const transport = await stage.connect(url);
      const connection = stage.server.connections().at(-1);
      if (connection === undefined) throw new Error("nobody is connected");
      return { transport, connection };
    },
  };
}

/** The last event's ending. */
function ending(events: readonly ServerEvent[]): unknown {
  const last = events.at(-1);
  return last?.type === "closed" ? [last.code, last.reason, last.wasClean, last.by] : last?.type;
}

describe("the facts of a connection", () => {
  test("are those of the request", async () => {
    await using runtime = createTestRuntime({ origins: "any", routes: { "/room/:name/:part": { handler() {} } } });
    await runtime.advance(5);
    await runtime.connect({
      path: "/room/caf%C3%A9/a%2Fb",
      query: { nick: "ann & bob" },
      headers: { Origin: "http://memory", Cookie: 'a=1; b="x%20y"', "X-Two": "1", "x-two": "2" },
      remoteAddress: "10.0.0.1",
    });
    const [connection] = runtime.server.connections();
    expect(connection).toMatchObject({
      path: "/room/caf%C3%A9/a%2Fb",
      params: { name: "café", part: "a/b" },
      origin: "http://memory",
      protocol: "",
      version: 13,
      remoteAddress: "10.0.0.1",
      localAddress: "127.0.0.1",
      secure: false,
      transport: "memory",
      openedAt: 5,
      roundTripMs: undefined,
      bufferedAmount: 0,
      isOpen: true,
      data: {},
    });
    expect(connection?.query.get("nick")).toBe("ann & bob");
    expect({ ...connection?.cookies }).toEqual({ a: "1", b: "x y" });
    expect(connection?.headers["x-two"]).toBe("1, 2");
    expect([...(connection?.rooms ?? [])]).toEqual([]);
  });

  test("have an origin only if the request has one", async () => {
    const { connect } = await keeping();
    expect((await connect()).connection.origin).toBeUndefined();
  });
});

describe("the round trip", () => {
  test("is that of the last ping, and unknown before the first pong", async () => {
    const { stage, connect } = await keeping();
    const { transport, connection } = await connect();
    transport.listener.ponged(Buffer.alloc(0));
    expect(connection.roundTripMs).toBeUndefined();
    expect(connection.ping("hello")).toBe(true);
    expect(transport.take()).toEqual(["ping hello"]);
    stage.clock.pass(40);
    expect(connection.roundTripMs).toBeUndefined();
    transport.listener.ponged(Buffer.alloc(0));
    expect(connection.roundTripMs).toBe(40);
    stage.clock.pass(10);
    transport.listener.ponged(Buffer.alloc(0));
    expect(connection.roundTripMs).toBe(40);
    connection.ping();
    transport.listener.ponged(Buffer.alloc(0));
    expect(connection.roundTripMs).toBe(0);
  });

  test("is known from the heartbeat", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    await runtime.connect();
    await runtime.advance(24_999);
    expect(runtime.server.connections()[0]?.roundTripMs).toBeUndefined();
    await runtime.advance(1);
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  });
});

describe("a ping", () => {
  test("holds at most 125 bytes", async () => {
    const { connect } = await keeping();
    const { connection } = await connect();
    expect(connection.ping(new Uint8Array(125))).toBe(true);
    for (const data of [new Uint8Array(126), "ä".repeat(63)])
      expect(() => connection.ping(data)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  });
});

describe("pings and pongs of ours", () => {
  test("come after what was sent before them, and before what is sent after them", async () => {
    const { stage, connect } = await keeping();
    const { transport, connection } = await connect();
    connection.send("one");
    connection.send("two");
    connection.ping("three");
    connection.send("four");
    await stage.settle();
    expect(transport.take()).toEqual(["write one two", "ping three", "write four"]);
  });

  test("do not wait for a socket that must drain", async () => {
    const { connect } = await keeping();
    const { transport, connection } = await connect();
    transport.isFull = true;
    connection.send("held");
    expect(connection.ping("are you there?")).toBe(true);
    expect(transport.take()).toEqual(["ping are you there?"]);
    transport.isFull = false;
    transport.listener.drained();
    expect(transport.take()).toEqual(["write held"]);
  });
});

describe("silence", () => {
  test("is told of once after the time given to idle, and again after the next message", async () => {
    const { stage, events, connect } = await keeping();
    const { transport, connection } = await connect();
    const idles = (): number => events.filter(({ type }) => type === "idle").length;
    expect(connection.idle(100)).toBe(true);
    await stage.advance(60);
    transport.listener.message("still here", 10);
    await stage.advance(99);
    expect(idles()).toBe(0);
    await stage.advance(1);
    expect([events.at(-1), idles()]).toEqual([{ type: "idle", connection }, 1]);
    await stage.advance(1_000);
    expect(idles()).toBe(1);
    transport.listener.message("back", 4);
    await stage.advance(99);
    expect(idles()).toBe(1);
    await stage.advance(1);
    expect(idles()).toBe(2);
  });

  test("is not told of after idle(0), nor by two alarms at once, nor after the end", async () => {
    const { stage, events, connect } = await keeping();
    const { transport, connection } = await connect();
    connection.idle(100);
    connection.idle(50);
    await stage.advance(100);
    expect(events.filter(({ type }) => type === "idle").length).toBe(1);
    connection.idle(100);
    connection.idle(0);
    expect(stage.clock.alarms).toBe(0);
    connection.idle(100);
    transport.end();
    expect(stage.clock.alarms).toBe(0);
    await stage.advance(100);
    expect([ending(events), stage.clock.alarms, connection.idle(1)]).toEqual([[1006, "", false, "lost"], 0, false]);
  });

  test("is a finite number of milliseconds from 0, or BAD_DURATION", async () => {
    const { connection } = await (await keeping()).connect();
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => connection.idle(ms)).toThrow(expect.objectContaining({ code: "BAD_DURATION" }));
  });
});

describe("rooms", () => {
  test("are at most maxRoomsPerConnection, and one that is left makes room", async () => {
    const { connect, stage } = await keeping({ maxRoomsPerConnection: 2 });
    const { connection } = await connect();
    expect(["a", "a", "b", "c"].map((room) => connection.join(room))).toEqual([true, false, true, false]);
    expect([...connection.rooms]).toEqual(["a", "b"]);
    expect([connection.leave("c"), connection.leave("a"), connection.join("c")]).toEqual([false, true, true]);
    expect(stage.server.rooms()).toEqual(["b", "c"]);
  });

  test("have names that are not empty, or the call is BAD_ROOM", async () => {
    const { connection } = await (await keeping()).connect();
    expect(() => connection.join("")).toThrow(expect.objectContaining({ code: "BAD_ROOM" }));
    expect(() => connection.leave("")).toThrow(expect.objectContaining({ code: "BAD_ROOM" }));
  });
});

describe("the signal", () => {
  test("is one object, aborted once the connection has gone", async () => {
    const { connect } = await keeping();
    const { transport, connection } = await connect();
    const { signal } = connection;
    expect([connection.signal === signal, signal.aborted]).toEqual([true, false]);
    transport.end();
    expect(signal.aborted).toBe(true);
  });

  test("is aborted already when it is first read after the end", async () => {
    const { transport, connection } = await (await keeping()).connect();
    transport.end();
    expect(connection.signal.aborted).toBe(true);
  });
});

describe("closing", () => {
  test("sends what waits, then the close frame, and tells what the peer answered", async () => {
    const { stage, events, connect } = await keeping();
    const { transport, connection } = await connect();
    connection.send("last words");
    expect([connection.close(4000, "enough"), connection.close(), connection.isOpen]).toEqual([true, false, false]);
    expect(transport.take()).toEqual(["write last words", "close 4000 enough", "resume"]);
    transport.end(4000, "enough");
    await stage.settle();
    expect(ending(events)).toEqual([4000, "enough", true, "server"]);
    expect(stage.clock.alarms).toBe(0);
  });

  test("waits for a socket that must drain, and cuts it after closeTimeoutMs", async () => {
    const { stage, events, connect } = await keeping({ closeTimeoutMs: 50 });
    const [quick, slow] = [await connect(), await connect()];
    for (const { transport, connection } of [quick, slow]) {
      transport.isFull = true;
      connection.send("held");
      connection.close();
      expect(transport.take()).toEqual([]);
    }
    quick.transport.isFull = false;
    quick.transport.listener.drained();
    expect(quick.transport.take()).toEqual(["write held", "close 1000", "resume"]);
    quick.transport.end(1000);
    await stage.advance(49);
    expect(slow.transport.take()).toEqual([]);
    await stage.advance(1);
    expect([quick.transport.take(), slow.transport.take()]).toEqual([[], ["terminate"]]);
    slow.transport.end();
    await stage.settle();
    expect(ending(events)).toEqual([1000, "", false, "server"]);
  });

  test("refuses codes that an endpoint may not send, and cuts a long reason at a character", async () => {
    const { transport, connection } = await (await keeping()).connect();
    expect(() => connection.close(1006)).toThrow(expect.objectContaining({ code: "BAD_CLOSE_CODE" }));
    expect(connection.isOpen).toBe(true);
    connection.close(1000, "ä".repeat(100));
    expect(transport.take()[0]).toBe(`close 1000 ${"ä".repeat(61)}`);
  });

  test("by cutting is 1006 by the server", async () => {
    const { stage, events, connect } = await keeping();
    const { transport, connection } = await connect();
    connection.send("never written");
    expect([connection.terminate(), connection.isOpen, connection.close()]).toEqual([true, false, false]);
    expect(transport.take()).toEqual(["terminate"]);
    transport.end();
    expect(connection.terminate()).toBe(false);
    await stage.settle();
    expect(ending(events)).toEqual([1006, "", false, "server"]);
  });

  test("is by the peer with its code, 1005 if it had none, and by nobody without a close frame", async () => {
    for (const [code, expected] of [
      [4001, [4001, "", true, "peer"]],
      [1005, [1005, "", true, "peer"]],
      [1006, [1006, "", false, "lost"]],
    ] as const) {
      const { stage, events, connect } = await keeping();
      const { transport } = await connect();
      transport.end(code);
      await stage.settle();
      expect(ending(events)).toEqual(expected);
    }
  });

  test("for an error of the protocol has the code for it, by the server, after one error event", async () => {
    const { stage, events, connect } = await keeping();
    const { transport } = await connect();
    const error = Object.assign(new Error("too big"), { code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" });
    transport.listener.failed(error);
    transport.listener.failed(new Error("another"));
    transport.end();
    await stage.settle();
    expect(events.map(({ type }) => type)).toEqual(["open", "error", "closed"]);
    expect(events[1]).toMatchObject({ error });
    expect(ending(events)).toEqual([1009, "", false, "server"]);
  });

  test("is logged as a warning when the connection was lost", async () => {
    const logger = new Lines();
    const { connect } = await keeping({ logger });
    const { transport, connection } = await connect();
    transport.end();
    const ending = { code: 1006, reason: "", wasClean: false, by: "lost" };
    expect(logger.at("warn")).toEqual([["connection lost", { connection: connection.id, ...ending }]]);
  });
});

describe("after the end", () => {
  test("no verb does anything", async () => {
    const { stage, connect } = await keeping();
    const { transport, connection } = await connect();
    connection.join("room");
    transport.end();
    transport.take();
    const { id } = connection;
    expect([connection.send("x"), connection.ping(), connection.close(), connection.terminate()]).toEqual(
      Array(4).fill(false),
    );
    expect([connection.join("x"), connection.leave("room"), connection.idle(1)]).toEqual([false, false, false]);
    expect([stage.server.tell("x", id), stage.server.join(id, "x"), stage.server.leave(id, "room")]).toEqual([
      false,
      false,
      false,
    ]);
    await stage.settle();
    expect([transport.take(), [...connection.rooms], stage.clock.alarms]).toEqual([[], [], 0]);
  });
});

describe("a full mailbox", () => {
  test("pauses the transport, and resumes it when there is room", async () => {
    const { stage, connect } = await keeping({ mailbox: { highWaterEvents: 4, lowWaterEvents: 1 } });
    const { transport } = await connect();
    for (let i = 0; i < 4; i++) transport.listener.message(String(i), 1);
    expect([transport.take(), stage.server.stats().paused]).toEqual([["pause"], 1]);
    await stage.settle();
    expect([transport.take(), stage.server.stats().paused]).toEqual([["resume"], 0]);
  });

  test("does not count any more once the connection is closed", async () => {
    const { stage, connect } = await keeping({ mailbox: { highWaterEvents: 4, lowWaterEvents: 1 } });
    const { transport, connection } = await connect();
    for (let i = 0; i < 4; i++) transport.listener.message(String(i), 1);
    connection.terminate();
    expect([transport.take(), stage.server.stats().paused]).toEqual([["pause", "resume", "terminate"], 0]);
  });
});

describe("what waits while open is handled", () => {
  test.each(["serial", "connection"] as const)(
    "is discarded when the first of it closes the connection (concurrency %s)",
    async (concurrency) => {
      const seen: string[] = [];
      await using runtime = createTestRuntime({
        concurrency,
        handler(event, bus) {
          seen.push(event.type === "message" ? event.text : event.type);
          if (event.type === "message") event.connection.close();
          return event.type === "open" ? bus.sleep(10) : undefined;
        },
      });
      const client = await runtime.connect();
      for (const text of ["first", "second", "third"]) client.send(text);
      await runtime.advance(10);
      expect([seen, runtime.server.stats().discarded]).toEqual([["open", "first", "closed"], 2]);
    },
  );
});
