/** `server.close`, step by step, and what it does when somebody does not play along. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
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

test("under load every message that was accepted is answered before the close frame, and everybody sees 1001", async () => {
  const accepted: string[] = [];
  const closed: string[] = [];
  const { server, clock } = await serveByHand({
    handler(event, bus) {
      if (event.type === "message") {
        accepted.push(`${event.connection.id} ${event.text}`);
        bus.unicast(event.text, event.connection);
      }
      if (event.type === "closed") closed.push(`${event.connection.id} ${event.code} ${event.by}`);
    },
  });
  const clients = await openClients(server.url, 200);
  for (let i = 0; i < 50; i++) for (const client of clients) client.send(String(i));
  await until(() => accepted.length > 1_000);
  const isReady = server.isReady;
  const first = server.close();
  expect(server.close()).toBe(first);
  expect([isReady, server.isReady]).toEqual([true, false]);
  await closeByHand(server, clock);
  await until(() => clients.every((client) => client.closed !== undefined));
  for (const client of clients) expect(client.closed).toEqual({ code: 1001, reason: "going away" });
  expect(clients.reduce((sum, client) => sum + client.received.length, 0)).toBe(accepted.length);
  for (const client of clients) expect(client.received).toEqual(client.received.map((_, i) => String(i)));
  expect(closed.length).toBe(200);
  expect(await server.closed).toEqual({ reason: "close" });
});

test("what waits in the mailbox is handled, what arrives during the drain is not, and new upgrades are refused", async () => {
  let release = (): void => {};
  const handled: string[] = [];
  const { server, clock } = await serveByHand({
    async handler(event) {
      if (event.type !== "message") return;
      handled.push(event.text);
      if (event.text === "first")
        await new Promise<void>((resolve) => {
          release = resolve;
        });
    },
  });
  const client = await Client.open(server.url);
  client.send("first");
  client.send("second");
  await until(() => server.stats().received.messages === 2 && handled.length === 1);
  const port = server.port;
  const closing = server.close({ code: 4000, reason: "moving" });
  client.send("too late");
  const late = new RawPeer(port);
  late.write(upgradeRequest());
  await until(() => late.isEnded);
  expect(late.frames).toEqual([]);
  release();
  expect(await client.ended()).toEqual({ code: 4000, reason: "moving" });
  await closeByHand(server, clock);
  await closing;
  expect(handled).toEqual(["first", "second"]);
});

test("a handler that hangs is given up after drainMs, and the goodbyes are still said", async () => {
  const closed: number[] = [];
  const { server, clock } = await serveByHand({
    async handler(event) {
      if (event.type === "message") await new Promise(() => {});
      if (event.type === "closed") closed.push(event.code);
    },
  });
  const clients = await openClients(server.url, 3);
  clients[0]?.send("hang");
  clients[1]?.send("never handled");
  await until(() => server.stats().received.messages === 2);
  const closing = server.close({ drainMs: 1_000 });
  await nextRound();
  clock.pass(999);
  await nextRound();
  expect(clients.some((client) => client.closed !== undefined)).toBe(false);
  clock.pass(1);
  await until(() => clients.every((client) => client.closed?.code === 1001));
  await closeByHand(server, clock);
  await closing;
  expect(closed).toEqual([1001, 1001, 1001]);
  expect(server.stats().failures).toMatchObject([{ event: "message", error: { code: "HANDLER_TIMEOUT" } }]);
});

test("a peer that never answers the close frame, and one that reads nothing, are cut after closeTimeoutMs", async () => {
  const closed: string[] = [];
  const { server, clock } = await serveByHand({
    closeTimeoutMs: 3_000,
    outbox: { maxBufferedBytes: 64 * 1_048_576 },
    handler(event, bus) {
      if (event.type === "message") for (let i = 0; i < 200; i++) bus.unicast("x".repeat(65_536), event.connection);
      if (event.type === "closed") closed.push(`${event.code} ${event.wasClean} ${event.by}`);
    },
  });
  const mute = new RawPeer(server.port);
  mute.write(upgradeRequest());
  const stalled = new RawPeer(server.port);
  stalled.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("flood me")]));
  stalled.socket.pause();
  await until(() => server.connections().some(({ bufferedAmount }) => bufferedAmount > 1_048_576));
  const closing = server.close({ drainMs: 0 });
  clock.pass(0);
  await until(() => mute.frames.some(({ opcode }) => opcode === 8));
  clock.pass(2_999);
  await nextRound();
  expect([mute.isEnded, closed.length]).toEqual([false, 0]);
  clock.pass(1);
  await until(() => mute.isEnded && closed.length === 2);
  await closeByHand(server, clock);
  await closing;
  expect(closed).toEqual(["1001 false server", "1001 false server"]);
  stalled.socket.destroy();
});

test("after close nothing keeps the process alive", async () => {
  const source = `
    import { serve } from "sendall";
    import { once } from "node:events";
    import { WebSocket } from "ws";
    const server = await serve({ port: 0, logger: false, handler: (event, bus) => { bus.after(60_000, "later"); } });
    const clients = Array.from({ length: 20 }, () => new WebSocket(server.url));
    await Promise.all(clients.map((client) => once(client, "open")));
    await server.close();
    process.on("exit", () => console.log(process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "exit");
  expect([code, output.trim()]).toEqual([0, "0"]);
});
