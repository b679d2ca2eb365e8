/** What a snapshot tells of a server in virtual time: events under way and waiting, rates, the lists, and nothing that peers say. */
import { channels, perConnection, type ServerEvent, type Snapshot } from "sendall";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Peer } from "../session/peer.js";

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}

function ids(connections: Snapshot["top"]["bytesWaiting"]): string[] {
  return connections.map(({ id }) => id);
}

/** Sleeps for as many milliseconds as the message says. */
function sleeper(): TestRuntime {
  return createTestRuntime({
    failures: "supervise",
    async handler(event, bus) {
      if (event.type === "message") await bus.sleep(Number(event.text));
    },
  });
}

/** Joins rooms at `open`. */
function joins(...rooms: string[]) {
  return (event: ServerEvent): void => {
    if (event.type === "open") for (const room of rooms) event.connection.join(room);
  };
}

describe("a snapshot", () => {
  test("of a quiet server names the routes, and is plain JSON", async () => {
    const runtime = createTestRuntime({ routes: { "/a": { handler: () => {} }, "/b/:id": { handler: () => {} } } });
    await runtime.connect({ path: "/b/1" });
    const snapshot = await runtime.server.snapshot();
    const quiet = {
      away: 0,
      paused: 0,
      resting: 0,
      rooms: 0,
      eventsWaiting: 0,
      oldestMs: 0,
      eventsResting: 0,
      bytesWaiting: 0,
      bytesKept: 0,
      busy: 0,
    };
    expect(snapshot).toStrictEqual({
      at: 0,
      tookMs: 0,
      routes: [
        { path: "/a", connections: 0, ...quiet, underWay: [] },
        { path: "/b/:id", connections: 1, ...quiet, underWay: [] },
      ],
      top: { bytesWaiting: [], eventsWaiting: [], handlerMs: [] },
      rooms: [],
    });
    await runtime.close();
  });

  test("shows the event in which a handler is stuck, since when, and what waits behind it", async () => {
    const runtime = sleeper();
    const ann = await runtime.connect();
    await runtime.server.snapshot();
    await runtime.advance(1_000);
    ann.send("20000");
    await runtime.advance(2_000);
    const ben = await runtime.connect({ remoteAddress: "10.0.0.2" }).catch(() => undefined);
    ann.send("1");
    await runtime.advance(3_000);
    const snapshot = await runtime.server.snapshot();
    expect(snapshot.at).toBe(6_000);
    expect(only(snapshot.routes)).toMatchObject({
      path: "*",
      // The `open` of the second client came first.
      eventsWaiting: 2,
      oldestMs: 3_000,
      busy: 1,
      underWay: [{ event: "message", connection: ann.id, since: 1_000, ms: 5_000 }],
      perSecond: { handlerMs: 5_000 / 6 },
    });
    expect(ben).toBeDefined();
    expect(snapshot.top.eventsWaiting).toMatchObject([
      { id: ann.id, eventsWaiting: 1 },
      { id: ben?.id, eventsWaiting: 1, remoteAddress: "10.0.0.2" },
    ]);
    await runtime.advance(20_000);
    expect(only((await runtime.server.snapshot()).routes)).toMatchObject({
      eventsWaiting: 0,
      oldestMs: 0,
      underWay: [],
    });
    await runtime.close();
  });

  test("counts events from before the first snapshot as waiting since then, and knows when the event under way began", async () => {
    const runtime = sleeper();
    const client = await runtime.connect();
    client.send("20000");
    client.send("1");
    await runtime.advance(2_000);
    expect(only((await runtime.server.snapshot()).routes)).toMatchObject({
      eventsWaiting: 1,
      oldestMs: 0,
      underWay: [{ since: 0, ms: 2_000 }],
    });
    await runtime.advance(500);
    client.send("1");
    await runtime.advance(500);
    expect(only((await runtime.server.snapshot()).routes)).toMatchObject({ eventsWaiting: 2, oldestMs: 1_000 });
    await runtime.close();
  });

  test("has rates between snapshots: messages, bytes, events and the handler's time", async () => {
    const runtime = createTestRuntime({
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(100);
        bus.sendall("12345");
      },
    });
    const [ann] = [await runtime.connect(), await runtime.connect()];
    ann.send("before");
    await runtime.advance(1_000);
    const first = await runtime.server.snapshot();
    expect([first.periodMs, only(first.routes).perSecond, only(first.routes).turn]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    for (let i = 0; i < 4; i++) ann.send("abc");
    await runtime.advance(2_000);
    const second = await runtime.server.snapshot();
    expect(second.periodMs).toBe(2_000);
    expect(only(second.routes)).toMatchObject({
      perSecond: { receivedMessages: 2, receivedBytes: 6, sentMessages: 4, sentBytes: 20, events: 2, handlerMs: 200 },
      turn: { meanMs: 0, maxMs: 0 },
    });
    expect(second.top.handlerMs).toMatchObject([{ id: ann.id, handlerMs: 200 }]);
    await runtime.advance(1_000);
    const third = await runtime.server.snapshot();
    expect(third.periodMs).toBe(1_000);
    expect(third.top.handlerMs).toEqual([]);
    expect(Object.values(only(third.routes).perSecond ?? {})).toEqual([0, 0, 0, 0, 0, 0]);
    await runtime.close();
  });

  test("charges an event that spans snapshots to each of them for its share, for the route and for its connection", async () => {
    const runtime = sleeper();
    const client = await runtime.connect();
    client.send("2500");
    await runtime.advance(500);
    await runtime.server.snapshot();
    const shares: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      await runtime.advance(1_000);
      const { routes, top } = await runtime.server.snapshot();
      shares.push([only(routes).perSecond?.handlerMs, top.handlerMs.map(({ handlerMs }) => handlerMs)]);
    }
    expect(shares).toEqual([
      [1_000, [1_000]],
      [1_000, [1_000]],
      [0, []],
      [0, []],
    ]);
    await runtime.close();
  });

  test("adds the time of events side by side", async () => {
    const runtime = createTestRuntime({
      concurrency: "connection",
      failures: "supervise",
      async handler(event, bus) {
        if (event.type === "message") await bus.sleep(Number(event.text));
      },
    });
    const [ann, ben, cho] = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
    await runtime.server.snapshot();
    ann.send("200");
    ben.send("900");
    cho.send("5000");
    await runtime.advance(1_000);
    const { routes, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ busy: 1, perSecond: { handlerMs: 2_100 } });
    expect(top.handlerMs.map(({ id, handlerMs }) => [id, handlerMs])).toEqual([
      [cho.id, 1_000],
      [ben.id, 900],
      [ann.id, 200],
    ]);
    await runtime.close();
  });

  test("that follows another within half a second covers the time before as well", async () => {
    const runtime = sleeper();
    const client = await runtime.connect();
    await runtime.server.snapshot();
    client.send("1000");
    await runtime.advance(1_000);
    expect((await runtime.server.snapshot()).periodMs).toBe(1_000);
    await runtime.advance(10);
    const soon = await runtime.server.snapshot();
    expect(soon.periodMs).toBe(1_010);
    expect(soon.top.handlerMs).toMatchObject([{ handlerMs: 1_000_000 / 1_010 }]);
    await runtime.advance(990);
    expect((await runtime.server.snapshot()).periodMs).toBe(1_000);
    await runtime.close();
  });

  test("is the first again a minute after the last", async () => {
    const runtime = sleeper();
    await runtime.server.snapshot();
    await runtime.advance(59_999);
    expect((await runtime.server.snapshot()).periodMs).toBe(59_999);
    await runtime.advance(60_000);
    expect((await runtime.server.snapshot()).periodMs).toBeUndefined();
    await runtime.close();
  });

  test("shows a peer that does not read with the bytes that wait, until the peer has read", async () => {
    const runtime = createTestRuntime({
      handler(event, bus) {
        if (event.type === "message") bus.sendall("x".repeat(1_000));
      },
    });
    const [ann, ben] = [await runtime.connect(), await runtime.connect()];
    await runtime.server.snapshot();
    ann.stall();
    for (let i = 0; i < 3; i++) ben.send("go");
    await runtime.advance(1_000);
    const stalled = await runtime.server.snapshot();
    expect(stalled.top.bytesWaiting).toMatchObject([{ id: ann.id, state: "open", bytesWaiting: 3_012 }]);
    expect(only(stalled.routes).bytesWaiting).toBe(3_012);
    ann.resume();
    await runtime.advance(1_000);
    const drained = await runtime.server.snapshot();
    expect([drained.top.bytesWaiting, only(drained.routes).bytesWaiting]).toEqual([[], 0]);
    await runtime.close();
  });

  test("shows what sessions keep, and a session that is away with what waits", async () => {
    const runtime = createTestRuntime({ resume: true, handler: () => {} });
    const peer = await Peer.open(runtime);
    runtime.server.sendall("x".repeat(1_000));
    await runtime.settle();
    expect(only((await runtime.server.snapshot()).routes).bytesKept).toBeGreaterThanOrEqual(1_000);
    await peer.cut();
    runtime.server.sendall("x".repeat(1_000));
    await runtime.settle();
    const { routes, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ connections: 1, away: 1 });
    expect(only(top.bytesWaiting)).toMatchObject({ state: "away" });
    expect(only(top.bytesWaiting).bytesWaiting).toBeGreaterThanOrEqual(1_000);
    await peer.comeBack();
    expect((await runtime.server.snapshot()).top.bytesWaiting).toEqual([]);
    await runtime.close();
  });

  test("tells of a socket's channels: the handler that is busy, events that wait, rooms", async () => {
    async function slow(event: ServerEvent, bus: { sleep(ms: number): Promise<void> }): Promise<void> {
      if (event.type === "open") event.connection.join("hall");
      if (event.type === "message") await bus.sleep(Number(event.text));
    }
    const runtime = createTestRuntime({
      failures: "supervise",
      handler: channels({ outer: channels({ inner: slow }), quick: slow }),
    });
    const client = await runtime.connect();
    await runtime.server.snapshot();
    for (const frame of ["sub,quick", "sub,outer", "msg,outer,sub,inner"]) client.send(frame);
    await runtime.settle();
    client.send("msg,outer,msg,inner,5000");
    client.send("msg,outer,msg,inner,5000");
    client.send("msg,quick,100");
    await runtime.advance(1_000);
    const { routes, rooms, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ rooms: 2, eventsWaiting: 1, oldestMs: 1_000, busy: 1 });
    const { subscription, ...event } = only(only(routes).underWay);
    expect(event).toEqual({ event: "message", connection: client.id, channel: "outer,inner", since: 0, ms: 1_000 });
    expect(subscription).not.toBe(client.id);
    expect(rooms).toEqual([
      { route: "*", channel: "outer,inner", room: "hall", members: 1 },
      { route: "*", channel: "quick", room: "hall", members: 1 },
    ]);
    expect(top.eventsWaiting).toMatchObject([{ id: client.id, eventsWaiting: 1 }]);
    expect(top.handlerMs).toMatchObject([{ id: client.id, handlerMs: 1_100 }]);
    await runtime.close();
  });

  test("takes a loop that waits for a message, or goes its own way, for idle, and a loop that works for busy", async () => {
    const runtime = createTestRuntime({
      failures: "supervise",
      handler: perConnection(async (connection, bus) => {
        if (connection.path === "/own") await bus.sleep(50_000);
        for await (const message of connection) await bus.sleep(Number(message));
      }),
    });
    const [ann] = [await runtime.connect(), await runtime.connect(), await runtime.connect({ path: "/own" })];
    await runtime.server.snapshot();
    ann.send("5000");
    await runtime.advance(1_000);
    const { routes, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ busy: 1, underWay: [{ connection: ann.id, ms: 1_000 }] });
    expect(only(routes).perSecond?.handlerMs).toBe(1_000);
    expect(top.handlerMs).toMatchObject([{ id: ann.id, handlerMs: 1_000 }]);
    await runtime.close();
  });

  test("shows a handler that is starting again, in a route and in a channel", async () => {
    let starts = 0;
    const failing = {
      init: async (bus: { sleep(ms: number): Promise<void> }) => {
        if (starts++ >= 2) await bus.sleep(2_000);
      },
      handle(event: ServerEvent) {
        if (event.type === "info") throw new Error("broken");
      },
    };
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      routes: { "/a": { handler: failing }, "/b": { handler: channels({ news: failing }) } },
    });
    await runtime.connect({ path: "/a" });
    runtime.server.tell("break");
    await runtime.advance(1_000);
    const { routes } = await runtime.server.snapshot();
    expect(routes.map(({ busy, underWay }) => [busy, underWay])).toEqual([
      [1, [{ event: "init", since: 0, ms: 1_000 }]],
      [1, [{ event: "init", channel: "news", since: 0, ms: 1_000 }]],
    ]);
    await runtime.advance(2_000);
    expect((await runtime.server.snapshot()).routes).toMatchObject([{ busy: 0 }, { busy: 0 }]);
    await runtime.close();
  });

  test("shows a connection that closes until closed is handled, without bytes once the socket is gone", async () => {
    const runtime = sleeper();
    const client = await runtime.connect();
    await runtime.server.snapshot();
    client.stall();
    client.send("2000");
    client.send("1");
    await runtime.settle();
    runtime.server.sendall("x".repeat(1_000));
    await runtime.settle();
    client.disconnect();
    await runtime.advance(1_000);
    const { routes, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ connections: 0, eventsWaiting: 2, bytesWaiting: 0 });
    expect(top.bytesWaiting).toEqual([]);
    expect(top.eventsWaiting).toMatchObject([{ id: client.id, state: "closing", eventsWaiting: 2 }]);
    expect(top.handlerMs).toMatchObject([{ id: client.id, handlerMs: 1_000 }]);
    await runtime.advance(2_000);
    expect((await runtime.server.snapshot()).top).toEqual({ bytesWaiting: [], eventsWaiting: [], handlerMs: [] });
    await runtime.close();
  });

  test("lists the largest rooms of every route, largest first, and no more than top", async () => {
    const runtime = createTestRuntime({
      routes: {
        "/a": { handler: joins("small") },
        "/b": { handler: joins("large", "largest") },
      },
    });
    for (const path of ["/a", "/b", "/b", "/b"]) await runtime.connect({ path });
    runtime.server.leave(runtime.clients[1]?.id ?? "", "large");
    expect((await runtime.server.snapshot({ top: 2 })).rooms).toEqual([
      { route: "/b", room: "largest", members: 3 },
      { route: "/b", room: "large", members: 2 },
    ]);
    expect((await runtime.server.snapshot()).rooms).toHaveLength(3);
    await runtime.close();
  });

  test("has at most top entries in each list, and none with top 0", async () => {
    const runtime = createTestRuntime({
      concurrency: "connection",
      failures: "supervise",
      async handler(event, bus) {
        if (event.type === "open") event.connection.join(`room of ${event.connection.id}`);
        if (event.type === "message") await bus.sleep(5_000);
      },
    });
    for (let i = 0; i < 25; i++) {
      const client = await runtime.connect();
      client.stall();
      for (let sent = 0; sent < 2 + i; sent++) client.send("x");
    }
    await runtime.server.snapshot();
    runtime.server.sendall("hello");
    await runtime.advance(1_000);
    const lists = ({ routes, rooms, top }: Snapshot): number[] =>
      [only(routes).underWay, rooms, top.bytesWaiting, top.eventsWaiting, top.handlerMs].map(({ length }) => length);
    const full = await runtime.server.snapshot();
    expect(lists(full)).toEqual([20, 20, 20, 20, 20]);
    expect(full.top.eventsWaiting.map(({ eventsWaiting }) => eventsWaiting)).toEqual(
      Array.from({ length: 20 }, (_, i) => 25 - i),
    );
    expect(lists(await runtime.server.snapshot({ top: 3 }))).toEqual([3, 3, 3, 3, 3]);
    const empty = await runtime.server.snapshot({ top: 0 });
    expect([lists(empty), only(empty.routes).busy]).toEqual([[0, 0, 0, 0, 0], 25]);
    await runtime.close();
  });

  test("says nothing that peers and handlers say, and nothing else of a request", async () => {
    const runtime = createTestRuntime({
      failures: "supervise",
      authorize: () => ({ name: "SECRET data" }),
      async handler(event, bus) {
        bus.sendall("SECRET answer");
        if (event.type === "message") await bus.sleep(10_000);
      },
    });
    const client = await runtime.connect({
      path: "/SECRET-path",
      query: { token: "SECRET" },
      headers: { cookie: "a=SECRET", authorization: "SECRET" },
    });
    await runtime.server.snapshot();
    client.stall();
    client.send("SECRET message");
    client.send("SECRET message");
    runtime.server.tell("SECRET info");
    await runtime.advance(1_000);
    const snapshot = await runtime.server.snapshot();
    expect(snapshot.top.bytesWaiting).toHaveLength(1);
    expect(JSON.stringify(snapshot)).not.toContain("SECRET");
    expect(JSON.parse(JSON.stringify(snapshot))).toStrictEqual(snapshot);
    await runtime.close();
  });

  test.each([
    [5, "options: expected an object, got 5"],
    [{ top: -1 }, "top: expected a whole number from 0 to 1000, got -1"],
    [{ top: 1_001 }, "top: expected a whole number from 0 to 1000, got 1001"],
    [{ top: "20" }, 'top: expected a whole number from 0 to 1000, got "20"'],
    [{ tops: 20 }, 'tops: unknown option: did you mean "top"? The options are top'],
  ])("with the options %j is refused", async (options, message) => {
    const runtime = sleeper();
    const refused = runtime.server.snapshot(options as { top: number });
    await expect(refused).rejects.toMatchObject({ code: "BAD_OPTION", message: expect.stringContaining(message) });
    await runtime.close();
  });

  test("can be taken of a server that has closed, and measures nothing from then on", async () => {
    const runtime = sleeper();
    await runtime.connect();
    await runtime.server.snapshot();
    await runtime.close();
    const { routes, periodMs } = await runtime.server.snapshot();
    expect([only(routes).connections, periodMs]).toEqual([0, undefined]);
    await runtime.advance(1_000);
    expect((await runtime.server.snapshot()).periodMs).toBeUndefined();
  });

  test("asked for by several callers at once is the same for all but for the length of the lists", async () => {
    const runtime = sleeper();
    const [ann] = [await runtime.connect(), await runtime.connect()];
    await runtime.server.snapshot();
    ann.send("5000");
    for (const client of runtime.clients) client.send("1");
    await runtime.advance(1_000);
    const { server } = runtime;
    const [one, two, three] = await Promise.all([server.snapshot(), server.snapshot({ top: 1 }), server.snapshot()]);
    expect(ids(one.top.eventsWaiting)).toHaveLength(2);
    expect(ids(two.top.eventsWaiting)).toHaveLength(1);
    expect(three).toEqual(one);
    expect(one.periodMs).toBe(1_000);
    await runtime.close();
  });
});
