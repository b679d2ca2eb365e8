/** Snapshots of servers on real sockets: peers that do not read, handlers that are stuck or hold the event loop, SockJS, a cluster. */
import { performance } from "node:perf_hooks";
import { type Snapshot, serve } from "sendall";
import { expect, onTestFinished, test } from "vitest";
import type { Server } from "../../src/server/server.js";
import { memory } from "../../src/testing/memory-cluster.js";
import { Client, serveByHand, until } from "./peers.js";
import { openEcho, openFramed, Poller, untilOpen } from "./sockjs-peers.js";

const KIBIBYTE = "x".repeat(1_024);

function listed(snapshot: Snapshot, list: keyof Snapshot["top"], server: Server, index = 0): unknown {
  const id = server.connections()[index]?.id;
  return snapshot.top[list].find((connection) => connection.id === id);
}

/** Sends to every connection until the socket of the first has taken no more and much waits. */
async function fill(server: Server): Promise<void> {
  const [connection] = server.connections();
  await until(() => {
    server.sendall(KIBIBYTE.repeat(64));
    return (connection?.bufferedAmount ?? 0) > 256 * 1_024;
  });
}

test("a peer that stops reading is in the second snapshot with its bytes, and gone from the second after it has read", async () => {
  const { server, clock } = await serveByHand({ outbox: { maxBufferedBytes: 64 * 1_024 * 1_024 }, handler() {} });
  const stalled = await Client.open(server.url);
  const reading = await Client.open(server.url);
  await until(() => server.connections().length === 2);
  await server.snapshot();
  stalled.socket.pause();
  await fill(server);
  clock.pass(1_000);
  await until(() => server.connections()[1]?.bufferedAmount === 0);
  const taken = server.snapshot();
  // The system may take more of the bytes at any time.
  const bytes = server.connections()[0]?.bufferedAmount;
  const during = await taken;
  expect(listed(during, "bytesWaiting", server)).toMatchObject({ bytesWaiting: bytes, state: "open" });
  expect(during.top.bytesWaiting).toHaveLength(1);
  expect(during.routes[0]?.bytesWaiting).toBeGreaterThan(256 * 1_024);
  stalled.socket.resume();
  await until(
    () => stalled.received.length === reading.received.length && server.connections()[0]?.bufferedAmount === 0,
  );
  clock.pass(1_000);
  await server.snapshot();
  const after = await server.snapshot();
  expect([after.top.bytesWaiting, after.routes[0]?.bytesWaiting]).toEqual([[], 0]);
});

test("a handler that is stuck shows with its event, and the peer that floods it with what waits", async () => {
  let isStuck = false;
  const { server, clock } = await serveByHand({
    handlerTimeoutMs: 60_000,
    mailbox: { highWaterEvents: 100, lowWaterEvents: 50 },
    handler({ type }) {
      if (type !== "message") return undefined;
      isStuck = true;
      return new Promise(() => {});
    },
  });
  const client = await Client.open(server.url);
  await until(() => server.connections().length === 1);
  await server.snapshot();
  for (let i = 0; i < 500; i++) client.send("x");
  await until(() => isStuck && server.stats().paused === 1);
  clock.pass(5_000);
  const { routes, top } = await server.snapshot();
  const { id } = server.connections()[0] ?? {};
  expect(routes).toMatchObject([
    { paused: 1, oldestMs: 5_000, busy: 1, underWay: [{ event: "message", connection: id, ms: 5_000 }] },
  ]);
  expect(routes[0]?.perSecond?.handlerMs).toBe(1_000);
  expect(top.eventsWaiting).toMatchObject([{ id, isPaused: true }]);
  expect(top.eventsWaiting[0]?.eventsWaiting).toBeGreaterThanOrEqual(99);
  expect(top.handlerMs).toMatchObject([{ id, handlerMs: 1_000 }]);
});

test("a handler that holds the event loop shows by the length of its turns", async () => {
  const server = await serve({
    port: 0,
    logger: false,
    handler(event, bus) {
      if (event.type !== "message") return;
      const until = performance.now() + 30;
      while (performance.now() < until);
      bus.unicast("done", event.connection);
    },
  });
  onTestFinished(() => server.close());
  const client = await Client.open(server.url);
  await server.snapshot();
  client.send("x");
  await until(() => client.received.length === 1);
  const { periodMs = 0, routes, top } = await server.snapshot();
  const [route] = routes;
  expect(route?.turn?.maxMs).toBeGreaterThanOrEqual(30);
  expect(((route?.perSecond?.handlerMs ?? 0) * periodMs) / 1_000).toBeGreaterThanOrEqual(30);
  expect(((top.handlerMs[0]?.handlerMs ?? 0) * periodMs) / 1_000).toBeGreaterThanOrEqual(30);
  expect(route?.turn?.meanMs).toBeLessThanOrEqual(route?.turn?.maxMs ?? 0);
});

test("a session of SockJS shows with its transport, and with what waits until the next poll", async () => {
  const { server, port } = await openEcho();
  await Poller.open(port);
  const framed = await openFramed(server, "/echo/000/framed/websocket");
  await untilOpen(server, 2);
  server.sendall("hello");
  await until(() => framed.received.length === 2);
  const snapshot = await server.snapshot();
  expect(snapshot.routes).toMatchObject([{ path: "/echo", connections: 2 }]);
  expect(snapshot.top.bytesWaiting).toMatchObject([{ route: "/echo", transport: "xhr-polling", state: "open" }]);
  expect(snapshot.top.bytesWaiting[0]?.bytesWaiting).toBeGreaterThanOrEqual("hello".length);
});

test("the link to the cluster is in a snapshot", async () => {
  const server = await serve({ port: 0, logger: false, cluster: memory(), handler() {} });
  onTestFinished(() => server.close());
  const snapshot = await server.snapshot();
  expect(snapshot.cluster).toEqual(server.stats().cluster);
  expect(snapshot.cluster).toMatchObject({ link: "up", lost: 0 });
});
