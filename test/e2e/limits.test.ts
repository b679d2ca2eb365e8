/** How many come in, how long they may take, and how long they may say nothing; the time passes by hand. */
import { once } from "node:events";
import { reject, type ServeOptions } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test, vi } from "vitest";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { answerOf, answerTo, Doorkeeper, upgradeWith } from "./asking.js";
import { Client, clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const handler = (): void => {};

/** A raw peer that has asked to come in. */
function ask(port: number, request: string = upgradeRequest()): RawPeer {
  const peer = new RawPeer(port);
  peer.write(request);
  return peer;
}

/** Waits until so many of these have been let in. */
async function letIn(peers: readonly RawPeer[], count: number): Promise<void> {
  await until(() => peers.filter(({ bytes }) => bytes.includes("101 Switching")).length === count);
}

/** Tells when so many of those who have come since then wait for a place: each sets an alarm for its wait, with a callback of its own. */
function watchQueue(clock: HandClock): (count: number) => Promise<void> {
  const after = vi.spyOn(clock, "after");
  return (count) => until(() => after.mock.calls.filter(([, ring]) => typeof ring === "function").length === count);
}

describe("maxConnections", () => {
  test("lets in exactly so many of 2,000 who come at once, and refuses the others with 503", async () => {
    // On a busy machine more of them than the 511 that Node asks for wait to be accepted, and the system resets the others.
    const { server } = await serveByHand({ backlog: 2_000, maxConnections: 1_000, heartbeat: false, handler });
    const peers = Array.from({ length: 2_000 }, () => ask(server.port));
    const answers = await Promise.all(peers.map((peer) => answerOf(peer)));
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1_000);
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(1_000);
    expect(new Set(refused.map(({ body }) => body))).toEqual(new Set(["the server is full"]));
    expect(server.stats()).toMatchObject({ connections: 1_000, refused: 1_000 });
    for (const { socket } of peers) socket.resetAndDestroy();
    await until(() => server.stats().connections === 0);
    const { status, peer } = await answerTo(server.port, upgradeRequest());
    expect(status).toBe(101);
    peer.socket.destroy();
  });

  test.each<[how: string, leave: (client: Client, port: number) => void]>([
    ["closes", (client) => client.ws.close()],
    ["is reset", (client) => void client.socket.resetAndDestroy()],
    ["ends its side", (client) => void client.socket.end()],
    ["breaks the protocol", (client) => void client.socket.write(clientFrame("x", { opcode: 5 }))],
  ])("counts no connection that has gone: one that %s", async (_how, leave) => {
    const { server } = await serveByHand({ maxConnections: 1, handler });
    for (let i = 0; i < 3; i++) {
      const client = await Client.open(server.url);
      expect((await answerTo(server.port, upgradeRequest())).status).toBe(503);
      leave(client, server.port);
      await until(() => server.stats().connections === 0);
      // A place is free when its socket has gone.
      await until(() => client.socket.destroyed);
    }
    await Client.open(server.url);
  });

  test("counts no connection that the server has closed, and no refused upgrade", async () => {
    const { server } = await serveByHand({
      maxConnections: 1,
      authorize: ({ query }) => (query.has("no") ? reject(401) : {}),
      handler: ({ type, connection }) => void (type === "message" && connection.close()),
    });
    for (let i = 0; i < 3; i++) expect((await answerTo(server.port, upgradeRequest("/?no"))).status).toBe(401);
    const client = await Client.open(server.url);
    client.send("bye");
    await client.ended();
    await until(() => server.stats().connections === 0);
    await until(() => client.socket.destroyed);
    await Client.open(server.url);
  });

  test("is of all routes together", async () => {
    const options: ServeOptions = { maxConnections: 1, routes: { "/a": { handler }, "/b": { handler } } };
    const { server } = await serveByHand(options);
    await Client.open(`${server.url}a`);
    expect((await answerTo(server.port, upgradeRequest("/b"))).status).toBe(503);
    await using runtime = createTestRuntime(options);
    const client = await runtime.connect({ path: "/a" });
    await expect(runtime.connect({ path: "/b" })).rejects.toMatchObject({ status: 503, body: "the server is full" });
    client.close();
    await runtime.settle();
    await runtime.connect({ path: "/b" });
  });

  test("counts whoever waits for authorize", async () => {
    const door = new Doorkeeper();
    const { server } = await serveByHand({ maxConnections: 1, authorize: door.authorize, handler });
    const first = new Client(server.url);
    const asked = await door.nth(1);
    expect((await answerTo(server.port, upgradeRequest())).status).toBe(503);
    asked.answer({});
    await once(first.ws, "open");
  });
});

test("maxConnectionsPerAddress refuses the next of one address with 503, and no other", async () => {
  await using runtime = createTestRuntime({ maxConnectionsPerAddress: 2, handler });
  const first = await runtime.connect({ remoteAddress: "1.1.1.1" });
  await runtime.connect({ remoteAddress: "1.1.1.1" });
  await expect(runtime.connect({ remoteAddress: "1.1.1.1" })).rejects.toMatchObject({ code: "REFUSED", status: 503 });
  await runtime.connect({ remoteAddress: "2.2.2.2" });
  first.fail();
  await runtime.settle();
  await runtime.connect({ remoteAddress: "1.1.1.1" });
});

describe('whenFull: "wait"', () => {
  const waiting = { maxConnections: 1, whenFull: "wait", handler } as const;

  test("holds who comes, and lets the oldest in when a place is free", async () => {
    const { server, clock } = await serveByHand({ ...waiting, heartbeat: false });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const peers: RawPeer[] = [];
    for (let i = 0; i < 3; i++) {
      peers.push(ask(server.port));
      await waits(i + 1);
    }
    first.ws.terminate();
    await letIn(peers, 1);
    for (const [i, { socket }] of peers.entries()) {
      expect(peers.map(({ bytes }) => bytes.length > 0)).toEqual(peers.map((_, k) => k <= i));
      socket.destroy();
      await letIn(peers, Math.min(i + 2, 3));
    }
    await until(() => server.stats().connections === 0);
    expect([server.stats().refused, clock.alarms]).toEqual([0, 0]);
  });

  test("holds each upgrade for handshakeTimeoutMs, then refuses with 503", async () => {
    const { server, clock } = await serveByHand({ ...waiting, handshakeTimeoutMs: 300, heartbeat: false });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const peer = ask(server.port);
    await waits(1);
    clock.pass(299);
    expect(peer.bytes).toHaveLength(0);
    clock.pass(1);
    expect(await answerOf(peer)).toMatchObject({ status: 503, body: "the server is full" });
    first.ws.terminate();
    await until(() => server.stats().connections === 0);
    await Client.open(server.url);
  });

  test("holds at most backlog upgrades", async () => {
    const { server, clock } = await serveByHand({ ...waiting, backlog: 2, heartbeat: false });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const held = [ask(server.port), ask(server.port)];
    await waits(2);
    expect((await answerTo(server.port, upgradeRequest())).status).toBe(503);
    first.ws.terminate();
    await letIn(held, 1);
    for (const { socket } of held) socket.destroy();
  });

  test.each<[how: string, leave: (peer: RawPeer) => void]>([
    ["resets its connection", ({ socket }) => void socket.resetAndDestroy()],
    ["ends its side", ({ socket }) => void socket.end()],
  ])("passes over one that %s while it waits", async (_how, leave) => {
    const { server, clock } = await serveByHand({ ...waiting, heartbeat: false });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const left = ask(server.port);
    await waits(1);
    const stays = ask(server.port);
    await waits(2);
    leave(left);
    await until(() => clock.alarms === 1);
    first.ws.terminate();
    await letIn([stays], 1);
    stays.socket.destroy();
    await until(() => server.stats().connections === 0);
    expect(clock.alarms).toBe(0);
  });

  test("refuses those who wait with 503 when the server closes, before anybody has left", async () => {
    const ends: (() => void)[] = [];
    const { server, clock } = await serveByHand({
      ...waiting,
      heartbeat: false,
      handler: (event) =>
        event.type === "message" ? new Promise<void>((resolve) => void ends.push(resolve)) : undefined,
    });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const peers = [ask(server.port), ask(server.port)];
    await waits(2);
    first.send("this takes a while");
    await until(() => ends.length === 1);
    const closing = server.close();
    for (const peer of peers)
      expect(await answerOf(peer)).toMatchObject({ status: 503, body: "the server is closing" });
    expect(first.closed).toBeUndefined();
    ends[0]?.();
    expect(await first.ended()).toEqual({ code: 1001, reason: "going away" });
    await closing;
    expect(clock.alarms).toBe(0);
  });

  test("does not lose what was sent while waiting", async () => {
    const { server, clock } = await serveByHand({
      ...waiting,
      heartbeat: false,
      handler: (event, bus) => void (event.type === "message" && bus.unicast(event.data, event.connection)),
    });
    const first = await Client.open(server.url);
    const waits = watchQueue(clock);
    const peer = ask(server.port);
    await waits(1);
    for (const text of ["a", "b", "c"]) peer.write(clientFrame(text));
    first.ws.terminate();
    await until(() => peer.frames.length === 3);
    expect(peer.frames.map(({ payload }) => payload.toString())).toEqual(["a", "b", "c"]);
    peer.socket.destroy();
  });
});

describe("a request's head", () => {
  const late = { status: 408, body: "the request's head took too long" };

  test.each([
    ["nothing at all", ""],
    ["half a request line", "GET /ch"],
    ["a head without its end", upgradeRequest().slice(0, -2)],
  ])("that begins with %s and then silence is 408, and cut, after handshakeTimeoutMs", async (_what, text) => {
    const { server, clock } = await serveByHand({ handshakeTimeoutMs: 800, handler });
    const peer = ask(server.port, text);
    await until(() => clock.alarms === 1);
    clock.pass(799);
    const beside = await Client.open(server.url);
    expect([peer.isEnded, peer.bytes.length]).toEqual([false, 0]);
    clock.pass(1);
    expect(await answerOf(peer)).toMatchObject(late);
    beside.ws.terminate();
    await until(() => clock.alarms === 0);
  });

  test("that comes one byte at a time is 408 when its time is over, however lively", async () => {
    const { server, clock } = await serveByHand({ handshakeTimeoutMs: 10_000, handler });
    const peer = ask(server.port, "");
    await until(() => clock.alarms === 1);
    const text = upgradeRequest();
    for (let i = 0; i < 9; i++) {
      peer.write(text.charAt(i));
      clock.pass(1_000);
    }
    expect(peer.isEnded).toBe(false);
    peer.write(text.charAt(9));
    clock.pass(1_000);
    expect(await answerOf(peer)).toMatchObject(late);
    expect(clock.alarms).toBe(0);
  });

  test("that comes in pieces, but in time, is good", async () => {
    const { server, clock } = await serveByHand({ handshakeTimeoutMs: 10_000, heartbeat: false, handler });
    const peer = ask(server.port, "");
    await until(() => clock.alarms === 1);
    for (const piece of upgradeRequest().match(/[\s\S]{1,30}/g) ?? []) {
      peer.write(piece);
      clock.pass(1_000);
    }
    expect((await answerOf(peer)).status).toBe(101);
    expect(clock.alarms).toBe(0);
    // It was for the head alone.
    clock.pass(100_000);
    peer.write(clientFrame("", { opcode: 9 }));
    await until(() => peer.frames.length === 1);
    peer.socket.destroy();
  });

  test("has a time of its own, whoever was before", async () => {
    const { server, clock } = await serveByHand({ handshakeTimeoutMs: 800, heartbeat: false, handler });
    /** Comes, and is accepted, 300 ms after the peer before. */
    const come = async (): Promise<RawPeer> => {
      const peer = ask(server.port, "");
      (await Client.open(server.url)).ws.terminate();
      clock.pass(300);
      return peer;
    };
    const [first, second, third] = [await come(), await come(), await come()];
    expect(await answerOf(first)).toMatchObject(late);
    second.write(upgradeRequest());
    expect((await answerOf(second)).status).toBe(101);
    clock.pass(499);
    expect([third.isEnded, third.bytes.length]).toEqual([false, 0]);
    clock.pass(1);
    expect(await answerOf(third)).toMatchObject(late);
    second.socket.destroy();
    await until(() => clock.alarms === 0);
  });

  test.each([16, 64, 1_024])("of %d KiB is 431", async (kib) => {
    const { server, clock } = await serveByHand({ handler });
    const peer = ask(server.port, upgradeWith({ "X-Long": "x".repeat(kib * 1_024) }));
    expect(await answerOf(peer)).toMatchObject({ status: 431, body: "the request's head is too large" });
    await until(() => clock.alarms === 0);
  });

  test("of 64 KiB in 1,000 headers is 431", async () => {
    const { server } = await serveByHand({ handler });
    const headers = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`X-${i}`, "x".repeat(58)]));
    expect((await answerTo(server.port, upgradeWith(headers))).status).toBe(431);
  });

  test.each([
    ["counted", { "Content-Length": "5" }, "hello"],
    ["in chunks", { "Transfer-Encoding": "chunked" }, "5\r\nhello\r\n0\r\n\r\n"],
    ["that never comes", { "Content-Length": "1000000" }, ""],
  ])("of an upgrade with a body is 400: %s", async (_how, headers, body) => {
    const { server, clock } = await serveByHand({ maxConnections: 1, handler });
    for (let i = 0; i < 2; i++) {
      const peer = ask(server.port, upgradeWith(headers) + body);
      expect(await answerOf(peer)).toMatchObject({ status: 400, body: "an upgrade has no body" });
    }
    await until(() => clock.alarms === 0);
    expect(server.stats().refused).toBe(2);
  });

  test("of an upgrade with an empty body is good", async () => {
    const { server } = await serveByHand({ handler });
    const { status, peer } = await answerTo(server.port, upgradeWith({ "Content-Length": "0" }));
    expect(status).toBe(101);
    peer.socket.destroy();
  });

  test("has no alarm left once it has come, was bad, or its peer has gone", async () => {
    const { server, clock } = await serveByHand({ handler });
    const texts = [
      "",
      "GET /",
      "nonsense\r\n\r\n",
      upgradeRequest(),
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      upgradeWith({ "Sec-WebSocket-Version": "8" }),
    ];
    const peers = Array.from({ length: 60 }, (_, i) => ask(server.port, texts[i % texts.length]));
    await until(() => server.stats().connections === 10 && server.stats().refused === 10);
    for (const [i, { socket }] of peers.entries()) {
      if (i % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
    await until(() => clock.alarms === 0 && server.stats().connections === 0);
  });
});

describe("idleTimeoutMs", () => {
  const idle = { idleTimeoutMs: 1_000, heartbeat: { intervalMs: 400, timeoutMs: 10_000 } } as const;

  test('closes a connection that sends nothing with 1000 "idle", though it answers pings', async () => {
    const endings: unknown[] = [];
    const { server, clock } = await serveByHand({
      ...idle,
      handler(event) {
        if (event.type === "closed") endings.push([event.code, event.reason, event.by]);
      },
    });
    const client = await Client.open(server.url);
    let pings = 0;
    client.ws.on("ping", () => pings++);
    clock.pass(999);
    await until(() => pings > 0);
    client.ws.ping();
    client.ws.pong();
    await once(client.ws, "pong");
    expect(client.closed).toBeUndefined();
    clock.pass(1);
    expect(await client.ended()).toEqual({ code: 1000, reason: "idle" });
    await until(() => endings.length === 1 && clock.alarms === 0);
    expect(endings).toEqual([[1000, "idle", "server"]]);
  });

  test("is put off by each message", async () => {
    let handled = 0;
    const { server, clock } = await serveByHand({
      idleTimeoutMs: 1_000,
      handler(event) {
        if (event.type === "message") handled++;
      },
    });
    const client = await Client.open(server.url);
    for (let i = 1; i <= 5; i++) {
      clock.pass(900);
      client.send("still here");
      await until(() => handled === i);
    }
    clock.pass(999);
    expect(server.stats().connections).toBe(1);
    clock.pass(1);
    expect(await client.ended()).toEqual({ code: 1000, reason: "idle" });
  });

  test("does not count while what the peer has sent still waits for the handler", async () => {
    await using runtime = createTestRuntime({
      idleTimeoutMs: 1_000,
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(10_000);
        bus.unicast(event.data, event.connection);
      },
    });
    const client = await runtime.connect();
    for (let i = 0; i < 20; i++) client.send(String(i));
    await runtime.advance(205_000);
    // While the last one is under way nothing waits any more, and the peer has been silent for long.
    expect(client.received.length).toBe(19);
    expect(client.closed).toEqual({ code: 1000, reason: "idle" });
  });

  test("goes on beside connection.idle, which neither puts it off nor turns it off", async () => {
    const seen: string[] = [];
    await using runtime = createTestRuntime({
      idleTimeoutMs: 1_000,
      handler({ type, connection }) {
        seen.push(type);
        if (type === "open") connection?.idle(300);
        if (type === "idle") connection?.idle(0);
      },
    });
    const client = await runtime.connect();
    await runtime.advance(300);
    expect(seen).toEqual(["open", "idle"]);
    await runtime.advance(699);
    expect(client.closed).toBeUndefined();
    await runtime.advance(1);
    expect(client.closed).toEqual({ code: 1000, reason: "idle" });
    expect(seen).toEqual(["open", "idle", "closed"]);
  });

  test("leaves no alarm behind when the peer has gone", async () => {
    const { server, clock } = await serveByHand({ idleTimeoutMs: 1_000, heartbeat: false, handler });
    for (const leave of ["close", "terminate"] as const) {
      const client = await Client.open(server.url);
      client.ws[leave]();
      await until(() => server.stats().connections === 0 && clock.alarms === 0);
    }
  });

  test("is off by default, and of its own route", async () => {
    await using runtime = createTestRuntime({
      heartbeat: false,
      routes: { "/a": { handler }, "/b": { idleTimeoutMs: 10, handler } },
    });
    const [a, b] = [await runtime.connect({ path: "/a" }), await runtime.connect({ path: "/b" })];
    await runtime.advance(86_400_000);
    expect([a.closed, b.closed]).toEqual([undefined, { code: 1000, reason: "idle" }]);
  });
});
