/** Budgets over real sockets, on servers whose time the test drives: floods, SockJS, sessions, refused upgrades. */
import type { Socket } from "node:net";
import type { ServeOptions, ServerEvent } from "sendall";
import { connect } from "sendall/client";
import { metrics } from "sendall/metrics";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { sampleOf } from "../unit/metrics/exposition.js";
import { answerTo } from "./asking.js";
import {
  Client,
  clientFrame,
  heapInUse,
  nextRound,
  openClients,
  RawPeer,
  serveByHand,
  until,
  upgradeRequest,
} from "./peers.js";
import { newSession, openFramed, Poller, untilOpen } from "./sockjs-peers.js";

const MIB = 1_048_576;

/** A server that notes the text of each message, and answers what it is asked to answer. */
async function stage(options: Partial<ServeOptions>) {
  const handled: string[] = [];
  const all = {
    heartbeat: false,
    handler(event: ServerEvent) {
      if (event.type === "message" && event.text === "ask") event.connection.send("answer");
      else if (event.type === "message") handled.push(event.text);
      else if (event.type === "closed") handled.push(`closed ${event.code}`);
    },
    ...options,
  };
  return { ...(await serveByHand(all as ServeOptions)), handled };
}

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextRound();
}

test("a flood of 64 MiB of tiny messages against 10 a second: ten a second are handled, the sender's socket blocks, memory is flat, others are answered", async () => {
  const { server, clock, handled } = await stage({ budget: { messagesPerSecond: 10 } });
  const others = await openClients(server.url, 20);
  const before = heapInUse();
  const flooder = new RawPeer(server.port);
  flooder.write(upgradeRequest("/flood"));
  const mebibyte = Buffer.concat(Array<Buffer>(MIB / 8).fill(clientFrame("aa")));
  for (let i = 0; i < 64; i++) flooder.write(mebibyte);
  await until(() => handled.length === 20);
  await rounds(200);
  for (let second = 0; second < 10; second++) {
    for (const other of others) other.send("ask");
    await until(() => others.every((other) => other.received.length === second + 1));
    for (let token = 1; token <= 10; token++) {
      clock.pass(100);
      await until(() => handled.length >= 20 + second * 10 + token);
    }
    expect(handled.length).toBe(20 + (second + 1) * 10);
  }
  // What the first read brought, and no more: the rest is in the buffers of the system and of the sender.
  expect(server.stats().received.messages - 20 * 10).toBeLessThanOrEqual(Math.ceil(65_536 / 8));
  expect(server.stats()).toMatchObject({ overBudget: 1, discarded: 0 });
  expect(flooder.socket.writableLength).toBeGreaterThan(32 * MIB);
  // A message that waits takes some 200 bytes, and the sender's own buffers are outside the heap.
  expect(heapInUse() - before).toBeLessThan(8 * MIB);
  flooder.socket.destroy();
});

test("30 clients that rest beside an idle handler are no backlog, in stats, series and snapshot, where the greediest comes first", async () => {
  const { server, clock, handled } = await stage({ budget: { messagesPerSecond: 10, burstSeconds: 1 } });
  const { text } = metrics(server, { histograms: true });
  await server.snapshot();
  const clients = await openClients(server.url, 30);
  for (const [i, { ws }] of clients.entries()) {
    // In a single write, which a single read brings: after a read that goes beyond the budget nothing more is read.
    const socket: Socket = Reflect.get(ws, "_socket");
    socket.cork();
    for (let n = 0; n < 50 + i; n++) ws.send("x");
    socket.uncork();
  }
  const sent = clients.reduce((sum, _, i) => sum + 50 + i, 0);
  await until(() => server.stats().received.messages === sent);
  await until(() => handled.length === 30 * 10);
  expect(server.stats()).toMatchObject({ mailboxEvents: 0, resting: 30, restingEvents: sent - 30 * 10 });
  const pass = async (tokens: number): Promise<void> => {
    for (let token = 0; token < tokens; token++) {
      clock.pass(100);
      await until(() => server.stats().mailboxEvents === 0);
    }
  };
  await pass(10);
  expect(handled).toHaveLength(30 * 20);
  const { routes, top } = await server.snapshot();
  expect(routes).toMatchObject([
    { eventsWaiting: 0, oldestMs: 0, resting: 30, eventsResting: sent - 30 * 20, perSecond: { events: 30 * 20 + 30 } },
  ]);
  expect(top.eventsWaiting).toHaveLength(20);
  expect(top.eventsWaiting[0]).toMatchObject({ isResting: true, isPaused: true, eventsWaiting: 0, eventsResting: 59 });
  await pass(59);
  expect(handled).toHaveLength(sent);
  expect(server.stats()).toMatchObject({ mailboxEvents: 0, resting: 0, restingEvents: 0 });
  expect(sampleOf(text(), "sendall_mailbox_wait_seconds_sum", { route: "*" })).toBe(0);
});

test("what waits when the peer closes is handled before closed, and answered before the close frame", async () => {
  const { server, handled } = await stage({ budget: { messagesPerSecond: 1, burstSeconds: 1 } });
  const peer = new RawPeer(server.port);
  const messages = ["a", "b", "ask", "c"].map((text) => clientFrame(text));
  peer.write(
    Buffer.concat([Buffer.from(upgradeRequest()), ...messages, clientFrame(Buffer.from([3, 232]), { opcode: 8 })]),
  );
  await until(() => handled.length === 4);
  expect(handled).toEqual(["a", "b", "c", "closed 1000"]);
  await until(() => peer.isEnded);
  expect(peer.frames.map(({ opcode, payload }) => (opcode === 8 ? payload.readUInt16BE(0) : String(payload)))).toEqual([
    "answer",
    1_000,
  ]);
});

test('a client over its budget is closed with 1008 "over budget" where the option says so', async () => {
  const { server } = await stage({ budget: { messagesPerSecond: 1, burstSeconds: 1, over: "close" } });
  const client = await Client.open(server.url);
  client.send("a");
  client.send("b");
  expect(await client.ended()).toEqual({ code: 1008, reason: "over budget" });
});

test("a flood of pings costs no tokens, and each is answered", async () => {
  const { server, handled } = await stage({ budget: { messagesPerSecond: 1, burstSeconds: 1 } });
  const client = await Client.open(server.url);
  let pongs = 0;
  client.ws.on("pong", () => pongs++);
  for (let i = 0; i < 1_000; i++) client.ws.ping();
  await until(() => pongs === 1_000);
  client.send("a");
  await until(() => handled.length === 1);
  expect(server.stats().overBudget).toBe(0);
});

describe("SockJS", () => {
  test("over HTTP answers a send when its last message has a token, and reads the next send then", async () => {
    const { server, clock, handled } = await stage({
      origins: "any",
      sockjs: { disconnectDelayMs: 1_000_000 },
      budget: { messagesPerSecond: 1, burstSeconds: 1 },
    });
    const poller = await Poller.open(server.port, newSession(""));
    expect((await poller.send("a")).status).toBe(204);
    const statuses: number[] = [];
    const second = poller.send("b", "c").then(({ status }) => statuses.push(status));
    await until(() => server.stats().overBudget === 1);
    const third = poller.send("d").then(({ status }) => statuses.push(status));
    await rounds(50);
    expect(statuses).toEqual([]);
    clock.pass(1_000);
    await until(() => handled.join() === "a,b");
    await rounds(50);
    expect(statuses).toEqual([]);
    clock.pass(1_000);
    await second;
    await until(() => handled.join() === "a,b,c");
    await until(() => server.stats().overBudget === 3);
    await rounds(50);
    expect(statuses).toEqual([204]);
    clock.pass(1_000);
    await third;
    expect(statuses).toEqual([204, 204]);
    await until(() => handled.join() === "a,b,c,d");
  });

  test("over a WebSocket lets the messages of a list through one by one", async () => {
    const { server, clock, handled } = await stage({
      origins: "any",
      sockjs: true,
      budget: { messagesPerSecond: 1, burstSeconds: 2 },
    });
    const client = await openFramed(server, `${newSession("")}/websocket`);
    client.send(JSON.stringify(["a", "b", "c", "d"]));
    await until(() => handled.join() === "a,b");
    clock.pass(1_000);
    await until(() => handled.join() === "a,b,c");
    expect(server.stats()).toMatchObject({ mailboxEvents: 0, resting: 1, restingEvents: 1 });
    clock.pass(1_000);
    await until(() => handled.join() === "a,b,c,d");
  });
});

test("a client with a session that is cut while it rests loses nothing", async () => {
  const { server, clock, handled } = await stage({
    resume: true,
    budget: { messagesPerSecond: 10, burstSeconds: 1 },
  });
  const sockets: WebSocket[] = [];
  class Cuttable extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      sockets.push(this);
    }
  }
  const client = connect(server.url, { WebSocket: Cuttable as never, reconnect: { minMs: 1, maxMs: 1 } } as never);
  const texts = Array.from({ length: 60 }, (_, i) => String(i));
  for (const text of texts) client.send(text);
  await until(() => handled.length === 10);
  sockets[0]?.terminate();
  await until(() => {
    clock.pass(10);
    return handled.length === texts.length;
  });
  expect(handled).toEqual(texts);
  client.close();
  await untilOpen(server, 0);
});

describe("upgradesPerSecond", () => {
  test("refuses further upgrades with 503 and Retry-After: 1, counts them, and lets peers in again in time", async () => {
    let asked = 0;
    const { server, clock } = await stage({
      upgradesPerSecond: 2,
      authorize: () => {
        asked++;
        return {};
      },
    });
    const open = await openClients(server.url, 2);
    const refused = await answerTo(server.port, upgradeRequest());
    expect(refused).toMatchObject({
      status: 503,
      body: "too many upgrades: at most 2 a second (option upgradesPerSecond)",
    });
    expect(refused.head).toContain("\r\nRetry-After: 1\r\n");
    expect(asked).toBe(2);
    expect(server.stats()).toMatchObject({ connections: 2, refused: 1, refusedBy: [{ status: 503, count: 1 }] });
    clock.pass(499);
    expect((await answerTo(server.port, upgradeRequest())).status).toBe(503);
    clock.pass(1);
    open.push(await Client.open(server.url));
    expect((await answerTo(server.port, upgradeRequest())).status).toBe(503);
    for (const client of open) client.ws.close();
  });

  test("leaves attempts out that are refused for another reason", async () => {
    const { server } = await stage({ upgradesPerSecond: 1, origins: ["https://example.com"] });
    for (let i = 0; i < 5; i++) {
      const evil = upgradeRequest().replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n");
      expect((await answerTo(server.port, evil)).status).toBe(403);
    }
    (await Client.open(server.url)).ws.close();
  });

  test("refuses new SockJS sessions, with the headers that let a page read why", async () => {
    const { server } = await stage({ upgradesPerSecond: 1, origins: "any", sockjs: true });
    await Poller.open(server.port, newSession(""));
    const late = await new Poller(server.port, newSession("")).poll("xhr", {
      headers: { Origin: "https://a.example" },
    });
    expect(late).toMatchObject({ status: 503 });
    expect(late.headers).toMatchObject({ "retry-after": "1", "access-control-allow-origin": "https://a.example" });
  });
});
