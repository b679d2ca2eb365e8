/** What a handler knows of a peer on a real socket: every fact of its request, as it was sent. */
import { type Connection, channels, serve } from "sendall";
import { expect, onTestFinished, test } from "vitest";
import { answerTo, upgradeWith } from "./asking.js";
import { Client, serveByHand, until } from "./peers.js";

test("a connection has every fact of its request, and what a proxy would say is not believed", async () => {
  const { server, clock } = await serveByHand({
    protocols: ["v2", "v1"],
    routes: { "/room/:name": { handler() {} } },
  });
  clock.pass(77);
  const headers = {
    Origin: `http://127.0.0.1:${server.port}`,
    Host: `127.0.0.1:${server.port}`,
    Cookie: 'a=1; b="x%20y"',
    "Sec-WebSocket-Protocol": "v1, v0",
    "X-Custom": "yes",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
  };
  const { peer } = await answerTo(server.port, upgradeWith(headers, "/room/caf%C3%A9?x=1&x=2&y=a%26b"));
  await until(() => server.connections().length === 1);
  const [connection] = server.connections();
  expect(connection).toMatchObject({
    path: "/room/caf%C3%A9",
    params: { name: "café" },
    origin: `http://127.0.0.1:${server.port}`,
    protocol: "v1",
    version: 13,
    remoteAddress: "127.0.0.1",
    remotePort: peer.socket.localPort,
    localAddress: "127.0.0.1",
    secure: false,
    peerCertificate: undefined,
    transport: "websocket",
    openedAt: 77,
    isOpen: true,
  });
  expect([connection?.query.getAll("x"), connection?.query.get("y")]).toEqual([["1", "2"], "a&b"]);
  expect({ ...connection?.cookies }).toEqual({ a: "1", b: "x y" });
  expect(connection?.headers).toMatchObject({
    host: `127.0.0.1:${server.port}`,
    "x-custom": "yes",
    "x-forwarded-for": "6.6.6.6",
  });
  peer.socket.destroy();
});

test("facts of a connection and of its open and closed events cannot be assigned, its data can", async () => {
  const FACTS = [
    ..."id path params query headers cookies origin protocol version remoteAddress remotePort localAddress secure".split(
      " ",
    ),
    ..."peerCertificate transport openedAt roundTripMs bufferedAmount isOpen rooms signal".split(" "),
  ];
  const obeyed: string[] = [];
  /** Notes the names whose assignment does not throw a TypeError. */
  const assign = (target: object, names: readonly string[]): void => {
    for (const name of names) {
      expect(name in target).toBe(true);
      const before: unknown = Reflect.get(target, name);
      try {
        Object.assign(target, { [name]: "x" });
        obeyed.push(name);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
        expect(String(error)).toContain(name);
      }
      expect(Reflect.get(target, name)).toBe(before);
    }
  };
  const seen: string[] = [];
  const { server } = await serveByHand<{ name?: string }>({
    routes: {
      "/": {
        handler(event) {
          seen.push(event.type);
          if (event.type === "open") event.connection.data = { name: "ann" };
          if (event.connection !== undefined) assign(event.connection, FACTS);
          if (event.type !== "message") assign(event, Object.keys(event));
        },
      },
      "/channels": {
        handler: channels({
          news(event) {
            seen.push(`channel ${event.type}`);
            if (event.connection !== undefined) assign(event.connection, FACTS);
            if (event.type === "open") assign(event, Object.keys(event));
          },
        }),
      },
    },
  });
  const client = await Client.open(server.url);
  await until(() => seen.length === 1);
  const [connection] = server.connections();
  expect(connection?.data).toEqual({ name: "ann" });
  client.ws.send("hello");
  await until(() => seen.length === 2);
  expect(server.unicast("still found", connection?.id ?? "").queued).toBe(1);
  client.ws.close();
  await until(() => seen.length === 3);
  const subscriber = await Client.open(`${server.url}channels`);
  subscriber.ws.send("sub,news");
  await until(() => seen.length === 4);
  expect([seen, obeyed, server.stats().failures]).toEqual([["open", "message", "closed", "channel open"], [], []]);
  subscriber.ws.terminate();
});

test("our side's address is the socket's where the listener's host does not tell it", async () => {
  const { server } = await serveByHand({ host: "localhost", handler() {} });
  const client = await Client.open(server.url);
  await until(() => server.connections().length === 1);
  const [connection] = server.connections();
  expect(connection?.localAddress).toBe(connection?.remoteAddress);
  expect(["127.0.0.1", "::1"]).toContain(connection?.localAddress);
  client.ws.terminate();
});

test("a ping of ours reaches the peer with its bytes, and its pong tells the round trip", async () => {
  const { server } = await serveByHand({ heartbeat: false, handler() {} });
  const client = await Client.open(server.url);
  const pings: Buffer[] = [];
  client.ws.on("ping", (data) => pings.push(data));
  await until(() => server.connections().length === 1);
  const [connection] = server.connections();
  expect([connection?.ping("are you there?"), connection?.ping(Buffer.of(0, 255))]).toEqual([true, true]);
  await until(() => pings.length === 2 && connection?.roundTripMs !== undefined);
  expect(pings).toEqual([Buffer.from("are you there?"), Buffer.of(0, 255)]);
  expect(connection?.roundTripMs).toBe(0);
});

test("1,000 connections have ids that nobody can guess, each the same in all of its events, and none is given twice", async () => {
  const seen = new Map<Connection, Set<string>>();
  const events: string[] = [];
  const server = await serve({
    port: 0,
    logger: false,
    handler(event, bus) {
      if (event.connection === undefined) return;
      events.push(event.type);
      const ids = seen.get(event.connection) ?? new Set();
      seen.set(event.connection, ids.add(event.connection.id));
      if (event.type === "message") bus.unicast(event.connection.id, event.connection);
    },
  });
  onTestFinished(() => server.close());
  const url = server.url;
  const ids = new Set<string>();
  for (let batch = 0; batch < 5; batch++) {
    const clients = await Promise.all(Array.from({ length: 200 }, () => Client.open(url)));
    for (const client of clients) client.send("who am I?");
    await until(() => clients.every((client) => client.received.length === 1));
    // Those who had them before have left: what is meant for them reaches nobody else.
    for (const id of ids) expect(server.unicast("yours?", id).dead).toBe(1);
    for (const { received } of clients) ids.add(String(received[0]));
    for (const client of clients) client.ws.close();
    await until(() => events.length === (batch + 1) * 600);
    for (const { received } of clients) expect(received.length).toBe(1);
  }
  expect([ids.size, seen.size]).toEqual([1_000, 1_000]);
  for (const own of seen.values()) expect(own.size).toBe(1);
  // A random UUID (RFC 9562, version 4): 122 bits by chance.
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
