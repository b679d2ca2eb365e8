/** Requests that come slowly: later heads of a connection are timed as the first is, and bodies have to make headway. */
import { once } from "node:events";
import { createServer as createHost } from "node:http";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionId, ServeOptions } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { createServer } from "../../src/server/create-server.js";
import { createAttachedListener } from "../../src/server/network-listener.js";
import { HandClock } from "../../src/testing/runtime/clock.js";
import { clientFrame, closeByHand, nextRound, openByHand, serveByHand, until, upgradeRequest } from "./peers.js";
import { openEcho, Poller, Wire } from "./sockjs-peers.js";

type Access = Parameters<NonNullable<ServeOptions["onAccess"]>>[0];

const late = { status: 408, body: "the request's head took too long" };
const lateBody = { status: 408, body: "the request's body took too long" };

/** Lets what has been written arrive. */
async function arrive(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextRound();
}

describe("a later head on a connection", () => {
  const half = "GET /second HTTP/1.1\r\nHost: a\r\n";

  test("that stops in its midst is 408, and cut, after handshakeTimeoutMs", async () => {
    const entries: Access[] = [];
    const { server, clock } = await serveByHand({
      handshakeTimeoutMs: 800,
      onAccess: (entry) => void entries.push(entry),
      onRequest: (_request, response) => void response.end("page"),
      handler() {},
    });
    const wire = new Wire(server.port);
    for (let i = 1; i <= 3; i++) {
      expect((await wire.ask("GET", "/").answer()).body).toBe("page");
      await until(() => clock.alarms === 0 && entries.length === i);
    }
    // Idle it may be for as long as Node lets it.
    clock.pass(100_000);
    wire.peer.write(half);
    await until(() => clock.alarms === 1);
    clock.pass(799);
    await arrive();
    expect([wire.isEnded, wire.unread]).toEqual([false, ""]);
    clock.pass(1);
    expect(await wire.answer()).toMatchObject(late);
    await until(() => wire.isEnded);
    expect(entries.at(-1)).toMatchObject({ type: "request", method: "", path: "", status: 408, reason: late.body });
    await until(() => clock.alarms === 0);
  });

  test("that comes one byte at a time is 408 when its time is over, however lively", async () => {
    const { server, clock } = await serveByHand({
      onRequest: (_request, response) => void response.end(),
      handler() {},
    });
    const wire = new Wire(server.port);
    await wire.ask("POST", "/", { body: "hello" }).answer();
    wire.peer.write(half.charAt(0));
    await until(() => clock.alarms === 1);
    for (let i = 1; i < 10; i++) {
      clock.pass(1_000);
      wire.peer.write(half.charAt(i));
      await arrive();
    }
    expect(wire.isEnded).toBe(false);
    clock.pass(1_000);
    expect(await wire.answer()).toMatchObject(late);
  });

  test("that comes in pieces, but in time, is good, be it an upgrade's", async () => {
    const { server, clock } = await serveByHand({
      heartbeat: false,
      onRequest: (_request, response) => void response.end("page"),
      routes: { "/chat": { handler() {} } },
    });
    const wire = new Wire(server.port);
    await wire.ask("GET", "/").answer();
    for (const request of ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", upgradeRequest("/chat")]) {
      for (const piece of request.match(/[\s\S]{1,30}/g) ?? []) {
        wire.peer.write(piece);
        await arrive();
        clock.pass(1_000);
      }
      expect([200, 101]).toContain((await wire.head()).status);
      if (request.startsWith("GET / ")) await wire.body();
      await until(() => clock.alarms === 0);
    }
    // It was for the head alone.
    clock.pass(100_000);
    wire.peer.write(clientFrame("", { opcode: 9 }));
    await until(() => wire.unread !== "");
    expect(wire.isEnded).toBe(false);
  });

  test("behind an answer of SockJS is timed, too", async () => {
    const { port, clock } = await openEcho();
    const wire = new Wire(port);
    expect((await wire.ask("GET", "/echo/info").answer()).status).toBe(200);
    wire.peer.write(half);
    await until(() => clock.alarms === 1);
    clock.pass(10_000);
    expect(await wire.answer()).toMatchObject(late);
  });

  test("whose half has come with the request before is timed once it goes on", async () => {
    const { server, clock } = await serveByHand({
      onRequest: (_request, response) => void response.end("page"),
      handler() {},
    });
    const wire = new Wire(server.port);
    wire.peer.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${half}`);
    expect((await wire.answer()).body).toBe("page");
    await arrive();
    wire.peer.write("X");
    await until(() => clock.alarms === 1);
    clock.pass(10_000);
    expect(await wire.answer()).toMatchObject(late);
  });

  test("is timed under TLS", async () => {
    const { cert, key } = makeCertificate("host");
    const { server, clock } = await serveByHand({
      tls: { cert, key },
      onRequest: (_request, response) => void response.end("page"),
      handler() {},
    });
    const socket = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    let isEnded = false;
    socket.on("close", () => {
      isEnded = true;
    });
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => text.endsWith("page") && clock.alarms === 0);
    await arrive();
    text = "";
    socket.write(half);
    await until(() => clock.alarms === 1);
    clock.pass(10_000);
    await until(() => isEnded);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(clock.alarms).toBe(0);
  });
});

/** A server of ours on a host that mounts its middleware, whose time the test drives. */
async function attachByHand(options: object): Promise<{ readonly port: number; readonly clock: HandClock }> {
  const host = createHost((request, response) => {
    server.middleware(request, response, async () => {
      for await (const _ of request);
      response.end("the host");
    });
  }).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  const clock = new HandClock((step) => {
    setImmediate(step);
  });
  const surroundings = { clock, newId: () => "c1" as ConnectionId, createListener: createAttachedListener(host) };
  const server = createServer({ logger: false, origins: "any", ...options }, surroundings);
  await server.start();
  onTestFinished(() => closeByHand(server, clock));
  return { port: (host.address() as AddressInfo).port, clock };
}

/** One who drips: sends the head of a request, and a byte of its body at each beat. */
function drip(port: number, path: string, headers: Readonly<Record<string, string>> = {}) {
  const length = { "Content-Length": "100000" };
  const wire = new Wire(port).ask("POST", path, { headers: { ...length, ...headers } });
  return {
    wire,
    async beat(clock: HandClock, ms: number, bytes = "x"): Promise<void> {
      wire.peer.write(bytes);
      await arrive();
      clock.pass(ms);
    },
  };
}

describe("a body that drips in", () => {
  test.each(["a page that was answered before it", "a session that nobody knows"])(
    "is timed no longer than its connection: to %s",
    async (what) => {
      const { server, clock } = await openByHand({
        sockjs: true,
        onRequest: (_, response) => void response.end("early"),
        handler: () => {},
      });
      const wire = new Wire(server.port);
      const path = what.includes("session") ? "/000/abcdefgh/xhr_send" : "/page";
      wire.peer.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc`);
      await until(() => wire.unread.includes("\r\n\r\n"));
      wire.peer.socket.destroy();
      await closeByHand(server, clock);
      expect(clock.alarms).toBe(0);
    },
  );

  test("to a session of SockJS is 408 after 30 s, and the session's next send is read", async () => {
    const entries: Access[] = [];
    const { port, clock, events } = await openEcho({
      sockjs: { disconnectDelayMs: 500_000 },
      onAccess: (entry) => void entries.push(entry),
    });
    const { root } = await Poller.open(port);
    await until(() => entries.length === 1);
    const { wire, beat } = drip(port, `${root}/xhr_send`);
    await arrive();
    const next = new Wire(port).ask("POST", `${root}/xhr_send`, { body: '["next"]' });
    for (let i = 0; i < 29; i++) await beat(clock, 1_000);
    expect([wire.isEnded, wire.unread, next.unread]).toEqual([false, "", ""]);
    await beat(clock, 1_000);
    expect(await wire.answer()).toMatchObject(lateBody);
    await until(() => wire.isEnded);
    expect((await next.answer()).status).toBe(204);
    await until(() => events.at(-1)?.type === "message");
    await until(() => entries.length === 3);
    expect(entries.map(({ path, status }) => [path, status])).toContainEqual(["/echo/xhr_send", 408]);
  });

  test.each([
    ["a page that is none", "/missing", {}],
    ["onRequest, which reads it", "/", { onRequest: readAll }],
    ["onRequest, which does not", "/", { onRequest: () => {} }],
  ])("to %s is 408 or cut after 30 s", async (_whom, path, options) => {
    const { server, clock } = await serveByHand({ ...options, handler() {} });
    const { wire, beat } = drip(server.port, path);
    for (let i = 0; i < 29; i++) await beat(clock, 1_000);
    await beat(clock, 1_000);
    await until(() => wire.isEnded);
    expect(wire.unread).toMatch(/^HTTP\/1\.1 40[58] /);
    await until(() => clock.alarms === 0);
  });

  test("to SockJS on a host is cut, and to the host is the host's affair", async () => {
    const { port, clock } = await attachByHand({ sockjs: true, routes: { "/echo": { handler() {} } } });
    const ours = drip(port, "/echo/000/s1/xhr_streaming");
    const theirs = drip(port, "/theirs");
    for (let i = 0; i < 40; i++) {
      await theirs.beat(clock, 0);
      await ours.beat(clock, 1_000);
    }
    await until(() => ours.wire.isEnded);
    expect([theirs.wire.isEnded, theirs.wire.unread]).toEqual([false, ""]);
  });
});

async function readAll(...[request, response]: Parameters<NonNullable<ServeOptions["onRequest"]>>): Promise<void> {
  let bytes = 0;
  for await (const chunk of request) bytes += chunk.length;
  response.end(`${bytes}`);
}

describe("a body that is slow", () => {
  test("but makes headway of 16 KiB in 30 s is read to its end", async () => {
    const { server, clock } = await serveByHand({ onRequest: readAll, handler() {} });
    const { wire, beat } = drip(server.port, "/");
    for (let sent = 0; sent < 100_000; sent += 20_000) await beat(clock, 29_999, "x".repeat(20_000));
    expect((await wire.answer()).body).toBe("100000");
    await until(() => clock.alarms === 0);
  });

  test("since nobody reads it is not the client's fault", async () => {
    let read = (): void => {};
    const { server, clock } = await serveByHand({
      async onRequest(request, response) {
        await new Promise<void>((resolve) => {
          read = resolve;
        });
        await readAll(request, response);
      },
      handler() {},
    });
    const large = new Wire(server.port).ask("POST", "/", { body: "x".repeat(1_000_000) });
    await arrive();
    for (let i = 0; i < 100; i++) clock.pass(10_000);
    read();
    expect((await large.answer()).body).toBe("1000000");
    // Nor is that of one that is there as a whole.
    const small = new Wire(server.port).ask("POST", "/", { body: "hello" });
    await arrive();
    clock.pass(100_000);
    read();
    expect((await small.answer()).body).toBe("5");
  });
});

describe("a send to a session that nobody has opened", () => {
  test.each([
    ["xhr_send", {}],
    ["jsonp_send", { "Content-Type": "application/x-www-form-urlencoded" }],
  ])("is 404 before its body is read: %s", async (row, headers) => {
    const { port } = await openEcho();
    const wire = new Wire(port).ask("POST", `/echo/000/nobody/${row}`, {
      headers: { ...headers, "Content-Length": "1000" },
    });
    expect(await wire.answer()).toMatchObject({ status: 404, body: "404 Error: Page not found\n" });
    // The rest of it is passed over.
    wire.peer.write("x".repeat(1_000));
    expect((await wire.ask("GET", "/echo/info").answer()).status).toBe(200);
  });

  test("ends its connection if its body is too large to be passed over", async () => {
    const { port } = await openEcho({ maxPayloadBytes: 100 });
    const wire = new Wire(port).ask("POST", "/echo/000/nobody/xhr_send", { headers: { "Content-Length": "101" } });
    expect((await wire.answer()).status).toBe(404);
    await until(() => wire.isEnded);
  });
});
