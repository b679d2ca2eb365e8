/** Connections that come and go, clients that break the handler, peers that vanish: nothing is left behind. */
import type { Connection, ServerEvent } from "sendall";
import { expect, test } from "vitest";
import type { InspectionEvent } from "xstate";
import type { Server } from "../../src/server/live.js";
import { Client, closeByHand, openClients, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

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
      if (event.type !== "info") events.get(event.connection.id)?.push(event.type);
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

test("a peer that has reset its connection is told of by error or closed, and then sending to it is a dead letter", async () => {
  const ended: Connection[] = [];
  const { server } = await serveByHand({
    handler(event) {
      if (event.type === "closed") ended.push(event.connection);
    },
  });
  const client = await Client.open(server.url);
  client.socket.resetAndDestroy();
  await until(() => ended.length === 1);
  for (const connection of ended) expect(server.unicast("late", connection)).toMatchObject({ dead: 1 });
});
