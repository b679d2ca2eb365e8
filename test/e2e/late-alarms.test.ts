/**
 * Alarms that ring late, after the event loop was blocked: what had arrived meanwhile is read first. Each test blocks the loop in the very
 * stretch of code in which the alarm was set and the peer has written, so no test depends on how long anything takes.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { channels, type ServeOptions, type Server, type ServerEvent, serve } from "sendall";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { Receiver } from "../../src/actors/connection/receiver.js";
import { createClock } from "../../src/runtime/clock.js";
import { clientFrame, RawPeer, until, upgradeRequest } from "./peers.js";

afterEach(() => {
  vi.restoreAllMocks();
});

const LIMIT_MS = 20;

/** Blocks the event loop until every alarm of `LIMIT_MS` that has been set is overdue. */
function block(): void {
  const end = performance.now() + 2 * LIMIT_MS;
  while (performance.now() < end);
}

async function open(options: ServeOptions): Promise<Server> {
  const server = await serve({ port: 0, logger: false, ...options });
  onTestFinished(() => server.close({ drainMs: 0 }));
  return server;
}

/** A peer that is let in; its bytes are in the kernel when `write` returns. */
async function enter(server: Server): Promise<RawPeer> {
  const peer = new RawPeer(server.port);
  onTestFinished(() => void peer.socket.destroy());
  await once(peer.socket, "connect");
  peer.write(upgradeRequest());
  await until(() => server.connections().length > 0);
  return peer;
}

/** What the handler was told. */
function listen(): { readonly seen: string[]; handler(event: ServerEvent): void } {
  const seen: string[] = [];
  return {
    seen,
    handler: (event) => void seen.push(event.type === "closed" ? `closed ${event.code} ${event.wasClean}` : event.type),
  };
}

test("an alarm that is overdue rings after what had arrived is read, and not before what is due later", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const far = connect({ host: "127.0.0.1", port: typeof bound === "object" ? (bound?.port ?? 0) : 0 });
  const [near]: Socket[] = await once(server, "connection");
  onTestFinished(() => {
    far.destroy();
    server.close();
  });
  const order: string[] = [];
  near?.on("data", (data) => void order.push(String(data)));
  const clock = createClock();
  clock.after(LIMIT_MS, () => {
    order.push("alarm");
    block();
    far.write("second");
    clock.after(LIMIT_MS, () => void order.push("last alarm"));
  });
  clock.after(1.5 * LIMIT_MS, () => void order.push("another alarm"));
  far.write("first");
  block();
  await until(() => order.length === 5);
  expect(order).toEqual(["first", "alarm", "another alarm", "second", "last alarm"]);
});

test("a peer that has answered the heartbeat is not cut", async () => {
  const { seen, handler } = listen();
  const server = await open({ heartbeat: { intervalMs: LIMIT_MS, timeoutMs: LIMIT_MS }, handler });
  const { ping } = WebSocket.prototype;
  let peer: RawPeer | undefined;
  let rounds = 0;
  vi.spyOn(WebSocket.prototype, "ping").mockImplementation(function (this: WebSocket, ...args) {
    ping.apply(this, args);
    peer?.write(clientFrame("", { opcode: 10 }));
    rounds++;
    block();
  });
  peer = await enter(server);
  await until(() => rounds === 20 || seen.length > 1);
  expect(seen).toEqual(["open"]);
});

test("a peer whose message waits is not closed for idleTimeoutMs", async () => {
  const { seen, handler } = listen();
  let peer: RawPeer | undefined;
  const { postOpen } = Receiver.prototype;
  vi.spyOn(Receiver.prototype, "postOpen").mockImplementation(function (this: Receiver) {
    postOpen.call(this);
    peer?.write(clientFrame("here I am"));
    block();
  });
  const server = await open({ idleTimeoutMs: LIMIT_MS, closeTimeoutMs: LIMIT_MS, handler });
  peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  await until(() => seen.length >= 3);
  expect(seen).toEqual(["open", "message", "closed 1000 false"]);
});

test("a peer whose message waits is not said to be idle, on a connection or a channel", async () => {
  for (const name of ["connection", "channel"]) {
    const seen: string[] = [];
    let peer: RawPeer | undefined;
    const handler = (event: ServerEvent): void => {
      seen.push(event.type);
      if (event.type !== "open") return;
      event.connection.idle(LIMIT_MS);
      peer?.write(clientFrame(name === "channel" ? "msg,a,here I am" : "here I am"));
      block();
    };
    const server = await open({ handler: name === "channel" ? channels({ a: handler }) : handler });
    peer = new RawPeer(server.port);
    peer.write(Buffer.concat([Buffer.from(upgradeRequest()), name === "channel" ? clientFrame("sub,a") : Buffer.of()]));
    await until(() => seen.length >= 3);
    expect(seen).toEqual(["open", "message", "idle"]);
    peer.socket.destroy();
  }
});

test("a peer whose close frame waits is not cut at closeTimeoutMs", async () => {
  const { seen, handler } = listen();
  const server = await open({ closeTimeoutMs: LIMIT_MS, handler });
  const peer = await enter(server);
  server.connections()[0]?.close(4_000);
  peer.write(clientFrame(Buffer.from("\x0f\xa0", "latin1"), { opcode: 8 }));
  block();
  await until(() => seen.length >= 2);
  expect(seen).toEqual(["open", "closed 4000 true"]);
});

test("a peer whose request waits is not turned away at handshakeTimeoutMs", async () => {
  const server = await open({ handshakeTimeoutMs: LIMIT_MS, handler() {} });
  const onAccepted = (): void => void process.nextTick(block);
  subscribe("net.server.socket", onAccepted);
  onTestFinished(() => void unsubscribe("net.server.socket", onAccepted));
  const peer = new RawPeer(server.port);
  onTestFinished(() => void peer.socket.destroy());
  peer.write(upgradeRequest());
  await until(() => peer.bytes.length > 0);
  expect(String(peer.bytes)).toMatch(/^HTTP\/1\.1 101 /);
});

test("an event whose answer waits has not taken longer than handlerTimeoutMs, nor authorize longer than handshakeTimeoutMs", async () => {
  const source = createServer();
  source.listen(0, "127.0.0.1");
  await once(source, "listening");
  const bound = source.address();
  const far = connect({ host: "127.0.0.1", port: typeof bound === "object" ? (bound?.port ?? 0) : 0 });
  const [near]: Socket[] = await once(source, "connection");
  onTestFinished(() => {
    far.destroy();
    source.close();
  });
  const ask = async (): Promise<void> => {
    const answered = once(far, "data");
    near?.write("answer");
    // Once the promise has been returned, and the alarm for it set.
    process.nextTick(block);
    await answered;
  };
  let handled = 0;
  const server = await open({
    handshakeTimeoutMs: LIMIT_MS,
    handlerTimeoutMs: LIMIT_MS,
    authorize: async () => {
      await ask();
      return {};
    },
    async handler({ type }) {
      if (type === "message") await ask();
      handled++;
    },
  });
  const peer = new RawPeer(server.port);
  onTestFinished(() => void peer.socket.destroy());
  peer.write(upgradeRequest());
  await until(() => peer.bytes.length > 0);
  expect(String(peer.bytes)).toMatch(/^HTTP\/1\.1 101 /);
  peer.write(clientFrame("ask"));
  await until(() => handled === 2 || server.stats().failures.length > 0);
  expect(server.stats().failures).toEqual([]);
});
