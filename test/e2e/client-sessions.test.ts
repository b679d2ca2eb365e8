/** `sendall/client` on sessions that a real server keeps: what is flushed, uncertain and told, and lines that are slow or answer late. */
import { once } from "node:events";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { type Bus, type Connection, type ServeOptions, type Server, serve } from "sendall";
import { type Client, type ClientOpening, type ConnectOptions, connect } from "sendall/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { Line } from "./line.js";
import { until } from "./peers.js";

/** A server that keeps sessions and notes what it has got; it is asked for more by the text of a message. */
async function open(options: Partial<ServeOptions> = {}): Promise<{
  readonly server: Server;
  readonly got: unknown[];
  readonly opened: Connection[];
  readonly bus: () => Bus;
}> {
  const got: unknown[] = [];
  const opened: Connection[] = [];
  let last: Bus | undefined;
  const server = await serve({
    port: 0,
    logger: false,
    resume: true,
    handler(event, bus) {
      last = bus;
      if (event.type === "open") opened.push(event.connection);
      if (event.type === "message") got.push(event.data);
    },
    ...options,
  } as ServeOptions);
  onTestFinished(() => server.close());
  return {
    server,
    got,
    opened,
    bus() {
      if (last === undefined) throw new Error("nothing has happened");
      return last;
    },
  };
}

interface Told {
  readonly client: Client;
  readonly openings: ClientOpening[];
  readonly received: (string | Uint8Array)[];
}

async function join(url: string, options: ConnectOptions = {}): Promise<Told> {
  const openings: ClientOpening[] = [];
  const received: (string | Uint8Array)[] = [];
  const client = connect(url, {
    reconnect: { minMs: 1, maxMs: 1 },
    onOpen: (opening) => openings.push(opening),
    onMessage: (data) => received.push(data),
    onError: () => {},
    ...options,
  });
  onTestFinished(() => void client.close());
  await client.opened;
  return { client, openings, received };
}

describe("flushed", () => {
  test("resolves when the server has everything, of which part was sent while the line was silent", async () => {
    const { server, got } = await open({ heartbeat: { intervalMs: 300, timeoutMs: 700 } });
    const line = await Line.to(server.port);
    const { client, openings } = await join(`ws://${line.host}/`);
    client.send("1");
    await client.flushed();
    expect([got, client.pending]).toEqual([["1"], 0]);
    line.silence();
    client.send("2");
    await until(() => client.state !== "open");
    client.send("3");
    expect(client.pending).toBe(2);
    line.restore();
    await client.flushed();
    expect([got, client.pending, client.state]).toEqual([["1", "2", "3"], 0, "open"]);
    expect(openings.map(({ why }) => why)).toEqual(["new", "resumed"]);
  });

  test("resolves where nobody acknowledges when everything has left, and rejects with CLOSED when the client ends first", async () => {
    const { server } = await open({ resume: false });
    for (const session of [true, false]) {
      const { client } = await join(server.url, { session });
      client.send("x".repeat(100_000));
      await client.flushed();
      expect([client.pending, client.bufferedAmount]).toEqual([0, 0]);
      client.close();
    }
    const waiting = connect("ws://127.0.0.1:9/", { onError: () => {} });
    waiting.send("x");
    const flushed = waiting.flushed();
    waiting.close();
    await expect(flushed).rejects.toMatchObject({ code: "CLOSED" });
  });
});

test("a client whose session the server ends with 1013 comes back once, with a fresh session and what is uncertain", async () => {
  const { server, got, opened, bus } = await open();
  const line = await Line.to(server.port);
  const { client, openings } = await join(`ws://${line.host}/`);
  client.send("1");
  await client.flushed();
  line.silence();
  client.send("2");
  client.send("3");
  const [connection] = opened;
  if (connection === undefined) throw new Error("nobody is there");
  bus().close(connection, 1013, "slow consumer");
  line.restore();
  await until(() => openings.length === 2 && client.state === "open");
  expect(openings[1]).toEqual({ resumed: false, why: "new", replayed: 0, lost: 0, uncertain: ["2", "3"] });
  client.send("4");
  await client.flushed();
  expect([got.at(-1), opened.length, line.connections, server.stats().connections]).toEqual(["4", 2, 2, 1]);
});

test("a dial that was given up and is answered late takes nothing over, and nothing is lost", async () => {
  const { server, got, opened, bus } = await open();
  /** What a dial that the client has given up has asked for: it reaches the server when the test lets it. */
  const held: (() => void)[] = [];
  let holds = false;
  const near = new Set<Socket>();
  const proxy = createServer((socket) => {
    near.add(socket);
    const join = (chunk?: Buffer): void => {
      const far = connectTcp(server.port, "127.0.0.1");
      if (chunk !== undefined) far.write(chunk);
      socket.pipe(far);
      far.pipe(socket);
      for (const end of [socket, far]) end.on("error", () => {});
    };
    socket.on("error", () => {});
    if (holds) socket.once("data", (chunk) => held.push(() => join(chunk)));
    else join();
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => {
    for (const socket of near) socket.destroy();
    proxy.close();
  });
  const { port } = proxy.address() as { readonly port: number };
  const { client, openings, received } = await join(`ws://127.0.0.1:${port}/`);
  client.send("1");
  await client.flushed();
  holds = true;
  for (const socket of near) socket.destroy();
  await until(() => held.length === 1);
  holds = false;
  // The client gives up a dial whose socket ends.
  [...near].at(-1)?.resetAndDestroy();
  await until(() => openings.length === 2);
  held[0]?.();
  client.send("2");
  await client.flushed();
  const [connection] = opened;
  if (connection === undefined) throw new Error("nobody is there");
  bus().unicast("hello", connection);
  await until(() => received.length === 1);
  expect([got, received, opened.length, client.state]).toEqual([["1", "2"], ["hello"], 1, "open"]);
  expect(openings.map(({ why }) => why)).toEqual(["new", "resumed"]);
});

test("a message of 256 KiB over a line of 20 kB/s arrives once, though the heartbeat asks every second", async () => {
  const { server, opened, bus } = await open({ heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } });
  const pairs = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connectTcp(server.port, "127.0.0.1");
    pairs.add(near).add(far);
    near.pipe(far);
    far.on("data", (chunk) => {
      near.write(chunk.subarray(0, 1_000));
      far.pause();
      if (chunk.length > 1_000) far.unshift(chunk.subarray(1_000));
      setTimeout(() => far.resume(), 50);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on("error", () => {}).on("close", () => other.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => {
    for (const socket of pairs) socket.destroy();
    proxy.close();
  });
  const { port } = proxy.address() as { readonly port: number };
  const { openings, received } = await join(`ws://127.0.0.1:${port}/`, { reconnect: { minMs: 100, maxMs: 200 } });
  const message = "0123456789abcdef".repeat(16_384);
  const [connection] = opened;
  if (connection === undefined) throw new Error("nobody is there");
  bus().unicast(message, connection);
  bus().unicast("last", connection);
  await until(() => received.includes("last"));
  expect(received).toEqual([message, "last"]);
  expect(openings.slice(1).every(({ why }) => why === "resumed")).toBe(true);
}, 90_000);

describe("a message of exactly maxPayloadBytes", () => {
  test.each([3, 10])(
    "of %s arrives although it begins with a tilde, is acknowledged, and a byte more is 1009",
    async (bytes) => {
      const got: string[] = [];
      const server = await serve({
        port: 0,
        logger: false,
        resume: true,
        maxPayloadBytes: bytes,
        handler: (event) => void (event.type === "message" && got.push(event.text)),
      });
      onTestFinished(() => server.close());
      const closings: number[] = [];
      const client = connect(server.url, { onClose: ({ code }) => void closings.push(code) });
      const message = "~".repeat(bytes);
      client.send(message);
      await client.flushed();
      expect([got, client.pending, closings]).toEqual([[message], 0, []]);
      client.send(`${message}~`);
      await until(() => closings.length > 0);
      expect([got, closings]).toEqual([[message], [1009]]);
    },
  );
});
