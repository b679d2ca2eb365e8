/** A session that goes on over another socket: what comes again, what does not, and which requests take up nothing. */
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Peer, start, texts } from "./peer.js";

describe("a connection that comes back", () => {
  test("gets what it missed, then what is live, and nothing that it had", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    runtime.server.sendall("had");
    await runtime.settle();
    await peer.send("up");
    await peer.cut();
    runtime.server.sendall("missed 1");
    runtime.server.sendall("missed 2");
    const welcome = await peer.comeBack();
    runtime.server.sendall("live");
    await runtime.settle();
    expect(welcome).toEqual({
      session: peer.offer.token,
      resumed: true,
      why: "resumed",
      received: 1,
      from: 1,
      replayed: 2,
      lost: 0,
      graceMs: 120_000,
      heartbeatMs: 0,
    });
    expect(peer.take()).toEqual(["had", "missed 1", "missed 2", "live"]);
    expect(take()).toEqual(["open", "up", "away", "back 2 0"]);
    expect(runtime.server.stats()).toMatchObject({
      opened: 1,
      closed: 0,
      connections: 1,
      away: 0,
      resumed: 1,
      gaps: 0,
      dropped: 0,
    });
    await runtime.close();
  });

  test("gets again what was written to the socket that it lost, and what it has not said it has", async () => {
    const { runtime } = start();
    const peer = await Peer.open(runtime);
    peer.socket.stall();
    runtime.server.sendall("on its way");
    await runtime.settle();
    runtime.server.sendall("in the outbox");
    await runtime.settle();
    await peer.cut();
    runtime.server.sendall("kept");
    expect(await peer.comeBack()).toMatchObject({ why: "resumed", from: 0, replayed: 3 });
    expect(peer.take()).toEqual(["on its way", "in the outbox", "kept"]);
    await runtime.close();
  });

  test("gets text with ~, bytes and an empty message as they were sent", async () => {
    const { runtime } = start();
    const peer = await Peer.open(runtime);
    const messages = ["~h", "~~", "~", "", Buffer.from("~a1"), Buffer.alloc(0), "end"];
    await peer.cut();
    for (const message of messages) runtime.server.sendall(message);
    await peer.comeBack();
    expect(peer.take()).toEqual(messages);
    await peer.blink({ offer: { received: 2 } });
    expect(peer.take()).toEqual(messages.slice(2));
    await runtime.close();
  });

  test("again and again in the midst of a stream has every message once, in order", async () => {
    const { runtime } = start();
    const peer = await Peer.open(runtime);
    const sent = texts(200);
    for (const [i, text] of sent.entries()) {
      runtime.server.sendall(text);
      if (i % 7 === 3) peer.socket.stall();
      if (i % 7 === 5) await peer.cut();
      if (i % 7 === 6) await peer.comeBack();
      if (i % 11 === 0 && i % 7 < 3) await peer.acknowledge();
    }
    await peer.blink();
    expect(peer.take()).toEqual(sent);
    expect(runtime.server.stats()).toMatchObject({ dropped: 0, gaps: 0, opened: 1, closed: 0 });
    await runtime.close();
  });

  test("has its messages taken in once: the welcome says which have arrived", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    await peer.send("a", "b");
    expect(await peer.blink()).toMatchObject({ received: 2 });
    await peer.send("c");
    expect(await peer.blink()).toMatchObject({ received: 3 });
    expect(take()).toEqual(["open", "a", "b", "away", "back 0 0", "c", "away", "back 0 0"]);
    await runtime.close();
  });

  test("keeps what it is, and has the request of its newest socket", async () => {
    const { runtime } = start({
      protocols: ["chat"],
      authorize: ({ query }) => ({ name: query.get("name") }),
    });
    const peer = await Peer.open(runtime, {
      protocol: "chat",
      query: { name: "ann", a: "1" },
      headers: { cookie: "c=1", origin: "http://memory" },
      remoteAddress: "10.0.0.1",
    });
    const [connection] = runtime.server.connections();
    if (connection === undefined) throw new Error("there is no connection");
    connection.join("room");
    const { id, openedAt, data } = connection;
    await runtime.advance(10);
    await peer.blink({
      query: { name: "bob", a: "2" },
      headers: { cookie: "c=2" },
      remoteAddress: "10.0.0.2",
    });
    expect(runtime.server.connections()).toEqual([connection]);
    expect(connection).toMatchObject({ id, path: "/", protocol: "chat", openedAt, isAway: false, isOpen: true });
    expect(connection.data).toBe(data);
    expect([...connection.rooms]).toEqual(["room"]);
    expect(connection.query.get("a")).toBe("2");
    expect([connection.cookies, connection.origin, connection.remoteAddress]).toEqual([
      { c: "2" },
      undefined,
      "10.0.0.2",
    ]);
    expect(connection.headers).not.toHaveProperty("sec-websocket-protocol", expect.stringContaining("sendall.1"));
    await runtime.close();
  });
});

describe("a request that takes up nothing", () => {
  const routes = {
    "/room/:name": { resume: true, handler() {} },
    "/other": { resume: true, handler() {}, protocols: ["a", "b"] },
  } as const;

  async function open(path = "/room/one", protocol?: string) {
    const runtime = createTestRuntime({ heartbeat: false, routes });
    const peer = await Peer.open(runtime, { path, ...(protocol !== undefined && { protocol }) });
    await peer.cut();
    runtime.server.sendall("secret");
    return { runtime, peer };
  }
  const FRESH = { resumed: false, received: 0, from: 0, replayed: 0, lost: 0 };

  test.each([
    ["a guessed token", { offer: { token: "A".repeat(22) } }],
    ["another room's path", { path: "/room/two" }],
    ["another route", { path: "/other" }],
    ["a count above what was written", { offer: { received: 1 } }],
    ["a loss that nobody told", { offer: { lost: 1 } }],
    ["no safe count", { offer: { received: 2 ** 53 } }],
  ])("because of %s has a fresh session, and the old one waits on", async (_what, options) => {
    const { runtime, peer } = await open();
    const { token } = peer.offer;
    expect(await peer.comeBack(options)).toMatchObject({ ...FRESH, why: "expired" });
    expect([peer.take(), peer.offer.token === token]).toEqual([[], false]);
    expect(runtime.server.stats()).toMatchObject({ opened: 2, connections: 2, away: 1, resumed: 0, expired: 0 });
    await runtime.close();
  });

  test("because of another subprotocol has a fresh session", async () => {
    const { runtime, peer } = await open("/other", "a");
    expect(await peer.comeBack({ protocol: "b" })).toMatchObject({ ...FRESH, why: "expired" });
    expect(peer.take()).toEqual([]);
    await runtime.close();
  });

  test("because of a count below what was acknowledged has a fresh session, and the old one can still be taken up", async () => {
    const { runtime, peer } = await open();
    await peer.comeBack();
    await peer.acknowledge();
    await peer.cut();
    const { offer } = peer;
    expect(await peer.comeBack({ offer: { received: 0 } })).toMatchObject({ ...FRESH, why: "expired" });
    await peer.cut();
    expect(await peer.comeBack({ offer: { ...offer, dial: offer.dial + 2 } })).toMatchObject({
      why: "resumed",
      session: offer.token,
    });
    await runtime.close();
  });

  test("is none if the path is the same, spelt differently", async () => {
    const { runtime, peer } = await open("/room/a b");
    expect(await peer.comeBack({ path: "/room/%61%20b" })).toMatchObject({ why: "resumed", replayed: 1 });
    expect(peer.take()).toEqual(["secret"]);
    expect(runtime.server.connections().map(({ path }) => path)).toEqual(["/room/a b"]);
    await runtime.close();
  });

  test("because its session has ended has a fresh session", async () => {
    const { runtime, peer } = await open();
    await runtime.advance(120_000);
    expect(await peer.comeBack()).toMatchObject({ ...FRESH, why: "expired" });
    await runtime.close();
  });

  test("at a route without sessions is told so, and nothing is kept", async () => {
    const { runtime } = start({ resume: false });
    const peer = await Peer.open(runtime);
    expect(peer.welcome).toMatchObject({ session: null, why: "off", graceMs: 0 });
    await peer.cut();
    expect(runtime.server.stats()).toMatchObject({ opened: 1, closed: 1, connections: 0, away: 0 });
    expect(await peer.comeBack({ offer: { token: "A".repeat(22) } })).toMatchObject({ session: null, why: "off" });
    await runtime.close();
  });
});

describe("a socket that takes over from one that still lives", () => {
  test("goes on where the other stopped; nothing unread of the other is taken, and nobody is told", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    const old = peer.socket;
    await peer.send("first");
    runtime.server.sendall("down 1");
    old.send("unread");
    expect(await peer.comeBack()).toMatchObject({ why: "resumed", received: 1, from: 0, replayed: 1 });
    await peer.send("unread", "second");
    runtime.server.sendall("down 2");
    await runtime.settle();
    expect(old.closed).toEqual({ code: 1008, reason: "session taken over" });
    expect(peer.take()).toEqual(["down 1", "down 2"]);
    expect(take()).toEqual(["open", "first", "unread", "second"]);
    expect(runtime.server.stats()).toMatchObject({ opened: 1, closed: 0, connections: 1, away: 0, resumed: 1 });
    await runtime.close();
  });
});
