/** Requests behind one another on one connection: answered one at a time and in order (RFC 9112 section 9.3.2), and gone with their socket. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AttachOptions, attach, type ServeOptions, type Server } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { clientFrame, closeByHand, nextRound, openByHand, serveByHand, until, upgradeRequest } from "./peers.js";
import { newSession, openEcho, Poller, untilOpen, Wire } from "./sockjs-peers.js";

type Access = Parameters<NonNullable<ServeOptions["onAccess"]>>[0];

/** Larger than what a system takes for a peer that does not read. */
const BIG = 32 * 1_048_576;
/** Larger than what is read of a file or written to a socket at once. */
const LARGE = 1_048_576;

function get(path: string, headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
}

/** How many requests servers of this process have read since. */
function countRequests(): () => number {
  let read = 0;
  const onRequest = (): void => void read++;
  subscribe("http.server.request.start", onRequest);
  onTestFinished(() => void unsubscribe("http.server.request.start", onRequest));
  return () => read;
}

/** A folder with a large file; how often it is open says the system. */
function folderWithBig(size = BIG): { readonly folder: string; readonly isOpen: () => number } {
  const folder = mkdtempSync(join(tmpdir(), "sendall-pipelining-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "big.bin");
  writeFileSync(file, Buffer.alloc(size, "x"));
  const target = (fd: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The one that has read the list.
      return "";
    }
  };
  return { folder, isOpen: () => readdirSync("/proc/self/fd").filter((fd) => target(fd) === file).length };
}

/** A host on a free port, whose requests this listener answers. */
async function openHost(listener: RequestListener): Promise<{ readonly port: number; readonly attachTo: AttachTo }> {
  const host = createServer(listener).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  const attachTo: AttachTo = async (options) => {
    const server = await attach(host, { logger: false, origins: "any", ...options } as AttachOptions);
    onTestFinished(() => server.close());
    return server;
  };
  return { port: (host.address() as AddressInfo).port, attachTo };
}

type AttachTo = (options: Partial<AttachOptions>) => Promise<Server>;

/** Pages that are answered when the test says so. */
function slowPages(): { readonly listener: RequestListener; readonly asked: string[]; readonly next: () => void } {
  const waiting: (() => void)[] = [];
  const asked: string[] = [];
  return {
    asked,
    next: () => waiting.shift()?.(),
    listener(request, response) {
      asked.push(String(request.url));
      if (request.url === "/last") response.setHeader("Connection", "close");
      waiting.push(() => response.end(`page ${request.url}`));
    },
  };
}

describe("large files", () => {
  test("that a peer asks for twice before it resets are closed, every one", async () => {
    const { folder, isOpen } = folderWithBig();
    const { server } = await serveByHand({ static: folder, handler() {} });
    for (let i = 0; i < 5; i++) {
      const wire = new Wire(server.port);
      wire.peer.socket.pause();
      wire.peer.write(get("/big.bin") + get("/big.bin"));
      await until(() => isOpen() === 1);
      wire.cut();
      await until(() => isOpen() === 0);
    }
  });

  test("are served one after the other to who reads them", async () => {
    const { folder, isOpen } = folderWithBig(LARGE);
    const { server } = await serveByHand({ static: folder, handler() {} });
    const wire = new Wire(server.port);
    wire.peer.write(get("/big.bin") + get("/big.bin") + get("/missing"));
    for (let i = 0; i < 2; i++) expect((await wire.answer()).body.length).toBe(LARGE);
    expect((await wire.answer()).status).toBe(404);
    await until(() => isOpen() === 0);
  });

  test("are closed when a peer resets at a host that mounts server.middleware, too", async () => {
    const { folder, isOpen } = folderWithBig();
    const { port, attachTo } = await openHost((request, response) => {
      server.middleware(request, response, () => response.writeHead(418).end());
    });
    const server = await attachTo({ static: folder, handler() {} });
    const wire = new Wire(port);
    wire.peer.socket.pause();
    wire.peer.write(get("/big.bin") + get("/big.bin"));
    await until(() => isOpen() === 1);
    wire.cut();
    await until(() => isOpen() === 0);
  });
});

describe("sessions of SockJS", () => {
  test("that are asked for behind an endless answer leave no place taken when the peer resets", async () => {
    const { port, server } = await openEcho({ maxConnections: 2 });
    for (let i = 0; i < 3; i++) {
      const wire = new Wire(port);
      for (let j = 0; j < 3; j++) wire.ask("POST", `${newSession("/echo")}/xhr_streaming`);
      await untilOpen(server, 1);
      wire.cut();
      await untilOpen(server, 0);
    }
    await Poller.open(port);
    await Poller.open(port);
    expect(server.stats().connections).toBe(2);
  });

  test("behind server.middleware leave no place taken, either, when the peer resets", async () => {
    const { port, attachTo } = await openHost((request, response) => {
      server.middleware(request, response, () => response.writeHead(418).end());
    });
    const server = await attachTo({
      maxConnections: 2,
      sockjs: { disconnectDelayMs: 1_000 },
      routes: { "/echo": { handler() {} } },
    });
    const wire = new Wire(port);
    for (let j = 0; j < 3; j++) wire.ask("POST", `${newSession("/echo")}/xhr_streaming`);
    await untilOpen(server, 1);
    wire.cut();
    await untilOpen(server, 0);
    await Poller.open(port);
    await Poller.open(port);
  });

  test("take no more than a few requests behind a send that waits", async () => {
    const went: (() => void)[] = [];
    const entries: Access[] = [];
    const { port, server } = await openEcho({
      mailbox: { highWaterEvents: 2, lowWaterEvents: 1 },
      onAccess: (entry) => void entries.push(entry),
      handler: (event) => (event.type === "message" ? new Promise<void>((resolve) => went.push(resolve)) : undefined),
    });
    const { root } = await Poller.open(port);
    const wire = new Wire(port);
    const send = (text: string): Wire => wire.ask("POST", `${root}/xhr_send`, { body: JSON.stringify([text]) });
    wire.ask("POST", `${root}/xhr_send`, { body: JSON.stringify(["x", "x", "x", "x"]) });
    await until(() => server.stats().paused === 1);
    const read = countRequests();
    // 20 MiB, of which the system of either side holds a few.
    const text = "x".repeat(1_024);
    for (let i = 0; i < 20_000; i++) send(text);
    for (let held = -1; held !== wire.peer.socket.writableLength; await nextRound()) {
      held = wire.peer.socket.writableLength;
      for (let i = 0; i < 50; i++) await nextRound();
    }
    expect(wire.peer.socket.writableLength).toBeGreaterThan(8 * 1_048_576);
    // Those that may wait, and what three reads bring.
    expect(read()).toBeLessThan(16 + 3 * 60);
    // Those who waited are answered in order once it goes on.
    const answers = Array.from({ length: 100 }, () => wire.answer());
    let isOver = false;
    const all = Promise.all(answers).finally(() => {
      isOver = true;
    });
    await until(() => {
      went.shift()?.();
      return isOver;
    });
    expect(new Set((await all).map(({ status }) => status))).toEqual(new Set([204]));
    wire.cut();
  });
});

describe("an upgrade behind a page", () => {
  test("is answered after it: nothing of the page gets into the WebSocket", async () => {
    const { listener, asked, next } = slowPages();
    const { server } = await serveByHand({
      onRequest: listener,
      routes: { "/chat": { handler: (event) => void (event.type === "message" && event.connection.send("hello")) } },
    });
    const wire = new Wire(server.port);
    wire.peer.write(get("/1") + get("/2") + upgradeRequest("/chat"));
    wire.peer.write(clientFrame("hi"));
    await until(() => asked.length === 1);
    for (let i = 0; i < 20; i++) await nextRound();
    expect([wire.unread, server.stats().connections]).toEqual(["", 0]);
    next();
    expect((await wire.answer()).body).toBe("page /1");
    await until(() => asked.length === 2);
    next();
    expect((await wire.answer()).body).toBe("page /2");
    expect((await wire.head()).status).toBe(101);
    const frame = Buffer.from("\x81\x05hello", "latin1");
    await until(() => wire.peer.bytes.subarray(-frame.length).equals(frame));
    wire.cut();
  });

  test("ends with the server, also when that page is never answered", async () => {
    let asked = 0;
    const { server, clock } = await openByHand({
      closeTimeoutMs: 100,
      onRequest: () => new Promise(() => void asked++),
      handler: () => {},
    });
    const wire = new Wire(server.port);
    wire.peer.write(get("/1") + upgradeRequest("/"));
    await until(() => asked === 1);
    await closeByHand(server, clock);
    await until(() => wire.peer.isEnded);
  });

  test("of a host waits for the page of the host", async () => {
    const { listener, asked, next } = slowPages();
    const { port, attachTo } = await openHost(listener);
    await attachTo({ routes: { "/chat": { handler() {} } } });
    const wire = new Wire(port);
    wire.peer.write(get("/1") + upgradeRequest("/chat"));
    await until(() => asked.length === 1);
    for (let i = 0; i < 20; i++) await nextRound();
    expect(wire.unread).toBe("");
    next();
    expect((await wire.answer()).body).toBe("page /1");
    expect((await wire.head()).status).toBe(101);
    wire.cut();
  });

  test("waits for a large file, of which the whole comes", async () => {
    const { folder, isOpen } = folderWithBig(LARGE);
    const { server } = await serveByHand({ static: folder, routes: { "/chat": { handler() {} } } });
    const wire = new Wire(server.port);
    wire.peer.write(get("/big.bin") + upgradeRequest("/chat"));
    expect((await wire.answer()).body.length).toBe(LARGE);
    expect((await wire.head()).status).toBe(101);
    await until(() => isOpen() === 0);
    wire.cut();
  });

  test("is told to onAccess as a peer that left if the page was the last answer, or the peer has gone", async () => {
    const { listener, asked, next } = slowPages();
    const entries: Access[] = [];
    const { server } = await serveByHand({
      onRequest: listener,
      onAccess: (entry) => void entries.push(entry),
      routes: { "/chat": { handler() {} } },
    });
    const told = (): unknown[] => entries.map(({ type, path, status }) => [type, path, status]);
    const last = new Wire(server.port);
    last.peer.write(get("/last") + upgradeRequest("/chat"));
    await until(() => asked.length === 1);
    next();
    expect(await last.toEnd()).toMatch(/page \/last$/);
    await until(() => entries.length === 2);
    const gone = new Wire(server.port);
    gone.peer.write(get("/gone") + upgradeRequest("/chat"));
    await until(() => asked.length === 2);
    gone.cut();
    await until(() => entries.length === 4);
    const upgrade = ["upgrade", "/chat", 499];
    expect(told()).toEqual([["request", "/last", 200], upgrade, ["request", "/gone", expect.any(Number)], upgrade]);
    expect(server.stats().connections).toBe(0);
  });
});

describe("requests behind a page that is not answered", () => {
  test("wait for their turn, and each is told of in order", async () => {
    const { listener, asked, next } = slowPages();
    const entries: Access[] = [];
    const { server, clock } = await serveByHand({
      onRequest: listener,
      onAccess: (entry) => void entries.push(entry),
      handler() {},
    });
    const wire = new Wire(server.port);
    wire.peer.write(["/1", "/2", "/3"].map((path) => get(path)).join(""));
    for (let i = 1; i <= 3; i++) {
      await until(() => asked.length === i);
      clock.pass(100);
      next();
      expect((await wire.answer()).body).toBe(`page /${i}`);
    }
    await until(() => entries.length === 3);
    expect(entries.map(({ path, status, durationMs }) => [path, status, durationMs])).toEqual([
      ["/1", 200, 100],
      ["/2", 200, 200],
      ["/3", 200, 300],
    ]);
  });

  test("are not begun once their peer has reset, and each is told of", async () => {
    const { listener, asked } = slowPages();
    const entries: Access[] = [];
    const { server } = await serveByHand({
      onRequest: listener,
      onAccess: (entry) => void entries.push(entry),
      handler() {},
    });
    const wire = new Wire(server.port);
    wire.peer.write(["/1", "/2", "/3"].map((path) => get(path)).join(""));
    await until(() => asked.length === 1);
    wire.cut();
    await until(() => entries.length === 3);
    for (let i = 0; i < 20; i++) await nextRound();
    expect(asked).toEqual(["/1"]);
    expect(entries.map(({ path }) => path).sort()).toEqual(["/1", "/2", "/3"]);
    expect(entries.filter(({ path }) => path !== "/1").map(({ status }) => status)).toEqual([499, 499]);
  });

  test("are read again once they are answered, however many they are", async () => {
    const { server } = await serveByHand({
      onRequest: (request, response) => void setImmediate(() => response.end(`page ${request.url}`)),
      handler() {},
    });
    const wire = new Wire(server.port);
    // So long that they come in many reads.
    const padding = `X-Padding: ${"x".repeat(4_000)}\r\n`;
    const paths = Array.from({ length: 300 }, (_, i) => `/${i}`);
    wire.peer.write(paths.map((path) => get(path, padding)).join(""));
    for (const path of paths) expect((await wire.answer()).body).toBe(`page ${path}`);
  });

  test("are not read while the page's answer goes on, however often the socket drains", async () => {
    let pieces = 0;
    const { server } = await serveByHand({
      onRequest: (request, response) => {
        if (request.url !== "/endless") {
          response.end();
          return;
        }
        const write = (): void => {
          pieces++;
          response.write("x".repeat(200_000));
        };
        response.on("drain", write);
        write();
      },
      handler() {},
    });
    const read = countRequests();
    // Not kept: a second of this would be megabytes.
    const socket = connect({ port: server.port, host: "127.0.0.1" }).resume();
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    socket.write(get("/endless"));
    await until(() => pieces > 2);
    const padding = `X-Padding: ${"x".repeat(1_000)}\r\n`;
    for (let i = 0; i < 20_000; i++) socket.write(get(`/${i}`, padding));
    await until(() => read() > 16);
    const before = pieces;
    await until(() => pieces > before + 500);
    expect(read()).toBeLessThan(16 + 5 * 60);
    expect(socket.writableLength).toBeGreaterThan(8 * 1_048_576);
  });

  test("that are no HTTP are refused after the page's answer, not in the midst of it", async () => {
    const { listener, asked, next } = slowPages();
    const entries: Access[] = [];
    const { server } = await serveByHand({
      onRequest: listener,
      onAccess: (entry) => void entries.push(entry),
      handler() {},
    });
    const wire = new Wire(server.port);
    wire.peer.write(`${get("/1")}this is no HTTP\r\n\r\n`);
    await until(() => asked.length === 1 && entries.length === 1);
    wire.peer.write("nor is this\r\n\r\n");
    for (let i = 0; i < 20; i++) await nextRound();
    expect(wire.unread).toBe("");
    next();
    expect((await wire.answer()).body).toBe("page /1");
    expect(await wire.answer()).toMatchObject({ status: 400, body: "this is not an HTTP request" });
    await until(() => wire.isEnded && entries.length === 2);
    expect(entries.map(({ path, status }) => [path, status])).toEqual([
      ["", 400],
      ["/1", 200],
    ]);
  });

  test("whose body is broken are refused at once: the page would never get the body", async () => {
    const { server } = await serveByHand({
      async onRequest(request, response) {
        for await (const _ of request);
        response.end();
      },
      handler() {},
    });
    const wire = new Wire(server.port);
    wire.peer.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
    expect((await wire.answer()).status).toBe(400);
    await until(() => wire.isEnded);
  });
});
