/** Connections that come and go, clients that break the handler, peers that vanish: nothing is left behind. */
import type { Receipt, ServerEvent } from "sendall";
import { expect, test } from "vitest";
import type { InspectionEvent } from "xstate";
import type { Server } from "../../src/server/server.js";
import {
  Client,
  clientFrame,
  closeByHand,
  nextRound,
  openClients,
  RawPeer,
  serveByHand,
  until,
  upgradeRequest,
} from "./peers.js";

test("a client whose messages make the handler throw is closed after intensity, and 50 others keep talking", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "throw") throw new TypeError("what the client sent is not right");
      bus.unicast(`echo ${event.text}`, event.connection);
    },
  });
  const bad = await Client.open(server.url);
  const others = await openClients(server.url, 50);
  for (let i = 0; i < 1_000; i++) bad.send("throw");
  for (let i = 0; i < 20; i++) for (const client of others) client.send(String(i));
  expect(await bad.ended()).toEqual({ code: 1011, reason: "handler failed" });
  await until(() => others.every((client) => client.received.length === 20));
  const { failures } = server.stats();
  expect(failures.length).toBe(4);
  expect(failures[0]).toMatchObject({
    event: "message",
    connection: "c1",
    data: "throw",
    error: { name: "TypeError" },
  });
  expect(server.connections().length).toBe(50);
});

test("a rejection of an async handler is treated as a throw", async () => {
  const { server } = await serveByHand({
    supervise: { intensity: 0 },
    async handler(event) {
      if (event.type === "message") throw new Error("rejected");
    },
  });
  const client = await Client.open(server.url);
  client.send("go");
  expect((await client.ended()).code).toBe(1011);
  expect(server.stats().failures).toMatchObject([{ event: "message", error: { message: "rejected" } }]);
});

/** The native handles that are open, but for those of the test runner. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|TLS/.test(name));
}

test("after 1,000 connects and disconnects (close, reset, silence) registry, rooms, actors and handles are empty", async () => {
  const before = handles();
  const events = new Map<string, string[]>();
  const { server, clock } = await serveByHand({
    handler(event: ServerEvent) {
      if (event.type === "open") event.connection.join(`room ${Math.floor(events.size / 10)}`);
      if (event.type === "open") events.set(event.connection.id, []);
      if (event.connection !== undefined) events.get(event.connection.id)?.push(event.type);
    },
  });
  const alive = countActors(server);
  for (let batch = 0; batch < 4; batch++) {
    const clean = await openClients(server.url, 100);
    const reset = await openClients(server.url, 100);
    const silent = Array.from({ length: 50 }, () => new RawPeer(server.port));
    for (const peer of silent) peer.write(upgradeRequest());
    await until(() => server.connections().length === 250);
    expect(alive()).toBe(500);
    for (const client of clean) client.ws.close();
    for (const client of reset) client.socket.resetAndDestroy();
    await until(() => server.connections().length === 50);
    // A ping after 25 s, and 20 s later nobody has answered it.
    clock.pass(45_000);
    await until(() => silent.every((peer) => peer.isEnded));
    await until(() => alive() === 0);
  }
  expect(server.stats()).toMatchObject({ connections: 0, rooms: 0, paused: 0, failures: [] });
  expect(events.size).toBe(1_000);
  for (const seen of events.values()) expect(seen.filter((type) => type !== "error")).toEqual(["open", "closed"]);
  await closeByHand(server, clock);
  expect(clock.alarms).toBe(0);
  await until(() => handles().length <= before.length);
});

/** Counts the receivers and senders that live, by what XState's `inspect` tells. */
function countActors(server: Server): () => number {
  const seen = new Set<InspectionEvent["actorRef"]>();
  server.actor.system.inspect((event: InspectionEvent) => {
    if (event.type === "@xstate.actor") seen.add(event.actorRef);
  });
  return () =>
    Array.from(seen).filter((actor) => "getSnapshot" in actor && actor.getSnapshot().status === "active").length;
}

test("a peer that resets its connection is told of by error, with the system's reason, and by closed; then sending to it is a dead letter", async () => {
  const events: ServerEvent[] = [];
  const { server } = await serveByHand({ handler: (event) => void events.push(event) });
  const client = await Client.open(server.url);
  client.send("hello");
  await until(() => events.length === 2);
  client.socket.resetAndDestroy();
  await until(() => events.at(-1)?.type === "closed");
  expect(events.map(({ type }) => type)).toEqual(["open", "message", "error", "closed"]);
  expect(events[2]).toMatchObject({ error: { code: "ECONNRESET" } });
  expect(events[3]).toMatchObject({ code: 1006, wasClean: false, by: "lost" });
  expect(server.unicast("late", events[3]?.connection ?? "")).toMatchObject({ dead: 1 });
});

test.each([
  ["while it is being handled", false],
  ["before it is handled", true],
])(
  "1,000 clients that send one message and are gone %s: their answers are dead letters, and nothing is left",
  async (_when, waits) => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const receipts: Receipt[] = [];
    const events = new Map<string, string[]>();
    const { server } = await serveByHand({
      backlog: 1_000,
      async handler(event, bus) {
        const { connection } = event;
        if (connection === undefined) return;
        events.set(connection.id, [...(events.get(connection.id) ?? []), event.type]);
        if (event.type === "open") connection.join("everybody");
        if (event.type === "message" && waits) await released;
        if (event.type === "message") receipts.push(bus.unicast("answer", connection));
      },
    });
    const alive = countActors(server);
    const clients = await openClients(server.url, 1_000);
    await until(() => server.members("everybody").length === 1_000);
    for (const { socket } of clients) {
      socket.write(clientFrame("one message"));
      socket.destroy();
    }
    if (waits) await until(() => server.connections().length === 0);
    release();
    await until(() => events.size === 1_000 && [...events.values()].every((types) => types.at(-1) === "closed"));
    expect(receipts.length).toBe(1_000);
    for (const { targeted, queued, dead } of receipts) expect([targeted, queued + dead]).toEqual([1, 1]);
    const dead = receipts.filter((receipt) => receipt.dead === 1).length;
    if (waits) expect(dead).toBe(1_000);
    for (const types of events.values())
      expect(types.filter((type) => type !== "error")).toEqual(["open", "message", "closed"]);
    expect(alive()).toBe(0);
    expect(server.stats()).toMatchObject({ connections: 0, rooms: 0, deadLetters: dead, failures: [] });
    const next = await Client.open(server.url);
    next.send("and now?");
    await until(() => next.received.length === 1);
    expect(next.received).toEqual(["answer"]);
  },
);

test("100 connections in a row whose events break the handler are closed one by one, and the next is served as if nothing had been", async () => {
  const { server } = await serveByHand({
    supervise: { intensity: 0 },
    handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "throw") throw new Error("broken");
      bus.unicast(event.data, event.connection);
    },
  });
  const alive = countActors(server);
  // The clock stands still: all of it happens within one moment.
  for (let i = 0; i < 100; i++) {
    const client = await Client.open(server.url);
    client.send("throw");
    expect(await client.ended()).toEqual({ code: 1_011, reason: "handler failed" });
  }
  await until(() => alive() === 0);
  const next = await Client.open(server.url);
  next.send("fine");
  await until(() => next.received.length === 1);
  expect([next.received, server.isReady, server.stats().connections]).toEqual([["fine"], true, 1]);
  expect(server.stats().failures.length).toBe(100);
});

test("a peer that has ended its half of the socket and reads nothing is found by the heartbeat", async () => {
  const ends: unknown[] = [];
  const { server, clock } = await serveByHand({
    outbox: { slowConsumer: "dropNewest" },
    handler: (event) => void (event.type === "closed" && ends.push([event.code, event.by])),
  });
  const peer = new RawPeer(server.port);
  peer.socket.pause();
  peer.write(upgradeRequest());
  await until(() => server.connections().length === 1);
  const [connection] = server.connections();
  // More than the kernel takes for a peer that reads nothing.
  while (connection?.bufferedAmount === 0) {
    server.sendall(Buffer.alloc(1_000_000));
    await nextRound();
  }
  peer.socket.end();
  await until(() => connection?.isOpen === false);
  expect(ends).toEqual([]);
  clock.pass(25_000);
  clock.pass(20_000);
  await until(() => ends.length === 1);
  expect([ends, server.stats().connections]).toEqual([[[1006, "lost"]], 0]);
  peer.socket.destroy();
});

test("a room goes on when the one who made it has left, however it left", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "open") event.connection.join("room");
      if (event.type === "message") bus.sendall(event.data, { room: "room" });
    },
  });
  const first = await Client.open(server.url);
  await until(() => server.members("room").length === 1);
  const [second, third, fourth] = await openClients(server.url, 3);
  await until(() => server.members("room").length === 4);
  first.ws.close();
  await until(() => server.members("room").length === 3);
  third?.send("the first has left");
  await until(() => [second, third, fourth].every((client) => client?.received.length === 1));
  second?.socket.resetAndDestroy();
  await until(() => server.members("room").length === 2);
  fourth?.send("so has the second");
  await until(() => [third, fourth].every((client) => client?.received.length === 2));
  expect(third?.received).toEqual(["the first has left", "so has the second"]);
  expect(server.rooms()).toEqual(["room"]);
});
