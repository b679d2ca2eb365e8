/** Followers over real sockets: however slow the socket, all of what was kept arrives, in order, and no follower is taken for a slow consumer. */
import { type Bus, type Connection, serve } from "sendall";
import { afterEach, describe, expect, test } from "vitest";
import { Client, nextRound, until } from "./peers.js";
import { runCode } from "./programs.js";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const MIB = 1_048_576;
const CHUNK = "x".repeat(16_000);

interface Kept {
  readonly url: string;
  readonly bus: Bus;
  readonly stats: () => { readonly slowConsumers: number; readonly dropped: number };
  /** What was kept. */
  readonly texts: string[];
}

/** A server with 24 MiB of kept messages, far more than the system's buffers of a socket take. */
async function serveKept(options: object): Promise<Kept> {
  const server = await serve({
    port: 0,
    logger: false,
    heartbeat: false,
    outbox: { maxBufferedBytes: 65_536 },
    history: { maxMessages: 2_000, maxBytes: 32 * MIB },
    async handler({ type, connection }) {
      if (type === "message") await (connection as Connection).follow("room", { last: 2_000 });
    },
    ...options,
  });
  closers.push(() => server.close({ drainMs: 0 }));
  const bus = server.route("*");
  const texts = Array.from({ length: 1_500 }, (_, i) => `${i} ${CHUNK}`);
  for (const text of texts) bus.sendall(text, { room: "room", keep: true });
  return { url: server.url, bus, stats: () => server.stats(), texts };
}

async function readAll(client: Client, count: number): Promise<string[]> {
  client.socket.resume();
  while (client.received.length < count && client.closed === undefined) await nextRound();
  return client.received.map((data) => String(data).split(" ")[0] ?? "");
}

describe.each([
  ["a plain socket", {}, []],
  ["a session", { resume: true }, ["sendall.1"]],
])("a follower over %s", (_what, options, protocols) => {
  test("that reads nothing for a while gets everything that was kept, then what came, and is no slow consumer", async () => {
    const { url, bus, stats, texts } = await serveKept(options);
    const client = await Client.open(url, {}, protocols);
    const welcome = protocols.length;
    await until(() => client.received.length === welcome);
    client.received.length = 0;
    client.send("follow");
    await until(() => bus.members("room").length === 1);
    client.socket.pause();
    const [connection] = bus.connections();
    await until(() => (connection?.bufferedAmount ?? 0) > MIB);
    // What comes meanwhile waits behind, as much as outbox.maxBufferedBytes lets wait.
    const live = ["live 1", "live 2", "live 3"];
    for (const text of live) bus.sendall(text, { room: "room" });
    const all = [...texts.map((_text, i) => `${i}`), "live", "live", "live"];
    expect(await readAll(client, all.length)).toEqual(all);
    expect(client.closed).toBeUndefined();
    expect(stats()).toMatchObject({ slowConsumers: 0, dropped: 0 });
    client.ws.terminate();
  });
});

test("a follower that never reads is a slow consumer as ever, once more waits than was replayed and maxBufferedBytes", async () => {
  const { url, bus, stats } = await serveKept({});
  const client = await Client.open(url);
  client.send("follow");
  await until(() => bus.members("room").length === 1);
  client.socket.pause();
  for (let i = 0; i < 10_000 && stats().slowConsumers === 0; i++) {
    bus.sendall(CHUNK, { room: "room" });
    if (i % 100 === 0) await nextRound();
  }
  expect(stats().slowConsumers).toBe(1);
  client.socket.resume();
  expect(await client.ended()).toMatchObject({ code: 1013 });
});

test("a peer that follows again and again without reading is closed as a slow consumer, and costs a bounded amount", async () => {
  const server = await serve({
    port: 0,
    logger: false,
    heartbeat: false,
    history: { maxMessages: 100, maxBytes: MIB },
    async handler({ type, connection }) {
      if (type !== "message") return;
      connection.leave("room");
      await connection.follow("room", { last: 100 });
    },
  });
  closers.push(() => server.close({ drainMs: 0 }));
  const bus = server.route("*");
  for (let i = 0; i < 60; i++) bus.sendall(CHUNK, { room: "room", keep: true });
  const client = await Client.open(server.url);
  client.socket.pause();
  let most = 0;
  for (let i = 0; i < 400; i++) client.send("follow");
  const [connection] = bus.connections();
  await until(() => {
    most = Math.max(most, connection?.bufferedAmount ?? 0);
    return server.stats().slowConsumers === 1;
  });
  expect(most).toBeLessThan(20 * MIB);
  client.socket.resume();
  expect(await client.ended()).toMatchObject({ code: 1013, reason: "slow consumer" });
});

test("a server with history whose host does not listen keeps no process alive", async () => {
  const { code, stdout } = await runCode(`
    import { createServer } from "node:http";
    import { attach } from "sendall";
    await attach(createServer(), { logger: false, history: true, handler() {} });
    console.log("attached");
  `).ended;
  expect([code, stdout]).toEqual([0, ["attached"]]);
});
