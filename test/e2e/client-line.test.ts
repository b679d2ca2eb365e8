/** `sendall/client` in Node on a line that falls silent, in a room with other clients, and in numbers. */
import { type ServeOptions, type Server, serve } from "sendall";
import { type Client, type ConnectOptions, connect } from "sendall/client";
import { createTestRuntime } from "sendall/testing";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { ClientStage, settle } from "../unit/client/stage.js";
import { Line } from "./line.js";
import { heapInUse, Client as PlainClient, until } from "./peers.js";
import { runCode, stopPrograms } from "./programs.js";
import { openFramed } from "./sockjs-peers.js";

afterEach(stopPrograms);

/** Short, and long enough for a machine that is busy. */
const HEARTBEAT = { intervalMs: 500, timeoutMs: 1_500 };

/** A server that sends each message back to its sender. */
async function serveEcho(options: Partial<ServeOptions> = {}): Promise<Server> {
  const server = await serve({
    port: 0,
    logger: false,
    heartbeat: HEARTBEAT,
    handler(event, bus) {
      if (event.type === "message") bus.unicast(event.data, event.connection);
    },
    ...options,
  } as ServeOptions);
  onTestFinished(() => server.close());
  return server;
}

/** A client that is open, with a log of what it was told. */
async function open(
  url: string,
  options: ConnectOptions = {},
): Promise<{ readonly client: Client; readonly log: unknown[] }> {
  const log: unknown[] = [];
  const client = connect(url, {
    reconnect: { minMs: 1, maxMs: 1 },
    onOpen: () => log.push("open"),
    onMessage: (data) => log.push(data),
    onClose: ({ code, willRetry }) => log.push([code, willRetry]),
    onError: ({ message }) => log.push(message),
    ...options,
  });
  onTestFinished(() => void client.close());
  await client.opened;
  return { client, log };
}

describe("a line that falls silent both ways", () => {
  test("is noticed by a client with a session, which comes back when the line does", async () => {
    const server = await serveEcho();
    const line = await Line.to(server.port);
    const { client, log } = await open(`ws://${line.host}/`);
    client.send("before");
    await until(() => log.length === 2);
    line.silence();
    expect(client.send("lost")).toBe(true);
    await until(() => client.state !== "open");
    await until(() => line.connections === 2);
    expect(client.send("after")).toBe(true);
    line.restore();
    await until(() => log.includes("after"));
    const url = `ws://${line.host}/`;
    expect(log).toEqual([
      "open",
      "before",
      `the connection to ${url} broke: no answer in time`,
      [1006, true],
      "open",
      "after",
    ]);
    expect(client.state).toBe("open");
  });

  test("is not noticed without a heartbeat: such a client stays open while another is dropped and comes back", async () => {
    const quiet = await serveEcho({ heartbeat: false });
    const quietLine = await Line.to(quiet.port);
    const silent = await open(`ws://${quietLine.host}/`);
    quietLine.silence();

    const server = await serveEcho();
    const line = await Line.to(server.port);
    const other = await open(`ws://${line.host}/`);
    line.silence();
    await until(() => other.client.state !== "open");
    line.restore();
    await until(() => other.client.state === "open");

    expect([silent.client.state, silent.log, quietLine.connections]).toEqual(["open", ["open"], 1]);
    silent.client.send("echo");
    quietLine.restore();
    await until(() => silent.log.length === 2);
    expect(silent.log).toEqual(["open", "echo"]);
  });
});

test("a plain WebSocket, a client with a session, one without and a SockJS client see the same messages, whatever begins with ~", async () => {
  const server = await serve({
    port: 0,
    logger: false,
    routes: {
      "/room": {
        sockjs: true,
        handler(event, bus) {
          if (event.type === "message") bus.sendall(event.data);
        },
      },
    },
  });
  onTestFinished(() => server.close());
  const url = new URL("/room", server.url).href;
  const session = await open(url);
  const without = await open(url, { session: false });
  const plain = await PlainClient.open(url);
  const framed = await openFramed(server, "/room/000/client/websocket");
  expect([session.client.protocol, without.client.protocol, plain.ws.protocol]).toEqual(["", "", ""]);

  const texts = ["~x", "~~x", "~", "~h", "~a", "~{}", "~a1", "x~", ""];
  const send: ((text: string) => void)[] = [
    (text) => session.client.send(text),
    (text) => without.client.send(text),
    (text) => plain.ws.send(text),
    (text) => framed.ws.send(JSON.stringify([text])),
  ];
  const expected: string[] = [];
  for (const [i, one] of send.entries())
    for (const text of texts) {
      expected.push(`${text}${i}`, text);
      one(`${text}${i}`);
      one(text);
      await until(() => plain.received.length === expected.length);
    }
  const unframed = (): unknown[] =>
    framed.received.flatMap((frame) => (String(frame).startsWith("a") ? JSON.parse(String(frame).slice(1)) : []));
  await until(() =>
    [session.log.length - 1, without.log.length - 1, unframed().length].every((n) => n === expected.length),
  );
  expect(plain.received).toEqual(expected);
  expect(session.log.slice(1)).toEqual(expected);
  expect(without.log.slice(1)).toEqual(expected);
  expect(unframed()).toEqual(expected);
});

test("300 clients that lose their server at the same moment spread their attempts over the whole wait", async () => {
  await using runtime = createTestRuntime({ handler() {} });
  const clients = Array.from({ length: 300 }, () => connect("/", { WebSocket: runtime.WebSocket }));
  await runtime.settle();
  for (const connection of runtime.server.connections()) connection.close(1012);
  await runtime.settle();
  const waits = clients.map(({ state, status }) => (state === "waiting" ? (status.retryAt ?? 0) - runtime.now() : 0));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
  // Thirty a tenth on average.
  const tenths = Array.from(
    { length: 10 },
    (_, i) => waits.filter((ms) => Math.min(9, Math.floor(ms / 100)) === i).length,
  );
  expect(Math.min(...tenths)).toBeGreaterThan(10);
  expect(Math.max(...tenths)).toBeLessThan(60);
  await runtime.advance(1_000);
  expect(clients.every(({ state }) => state === "open")).toBe(true);
});

test("7,500 reconnects leave nothing behind but the present connection", async () => {
  const stage = new ClientStage();
  const client = stage.connect({ reconnect: { minMs: 1, jitter: 0 } });
  const ann = client.channel("ann");
  const reconnect = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      stage.socket.welcome(45_000);
      stage.socket.message("msg,ann,x");
      client.channel("bob").close();
      ann.send("x");
      stage.socket.fail();
      client.send("waits");
      await stage.pass(1);
      stage.take();
      stage.sockets.splice(0, stage.sockets.length - 1);
    }
    await settle();
  };
  await reconnect(500);
  const before = heapInUse();
  await reconnect(7_500);
  // Less than 40 bytes for each.
  expect(heapInUse() - before).toBeLessThan(300_000);
  expect([client.state, stage.alarms.size, client.pending]).toEqual(["connecting", 1, 1]);
});

test("no timer of a client that has closed is left in its process, whatever the client did when it was closed", async () => {
  const server = await serveEcho({ heartbeat: { intervalMs: 25_000, timeoutMs: 20_000 } });
  const { code, stdout, stderr } = await runCode(`
    import { connect } from "sendall/client";
    const closed = (client) => new Promise((resolve) => client.on("close", ({ willRetry }) => willRetry || resolve()));
    const open = connect("${server.url}");
    await open.opened;
    open.close();
    const connecting = connect("${server.url}");
    connecting.close();
    const waiting = connect("ws://127.0.0.1:1", { reconnect: { minMs: 60_000, maxMs: 60_000, jitter: 0 } });
    waiting.on("close", () => waiting.close());
    const asking = connect(() => new Promise(() => {}));
    asking.close();
    await Promise.all([open, connecting, waiting, asking].map(closed));
    setImmediate(() => console.log(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length));
  `).ended;
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: ["0"], stderr: [] });
});
