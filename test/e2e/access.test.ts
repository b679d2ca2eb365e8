/** Plain HTTP that the user answers (`onRequest`), and the record of everything that came (`onAccess`). */
import { once } from "node:events";
import { reject, type ServeOptions } from "sendall";
import { describe, expect, test } from "vitest";
import { answerTo, rememberLines, upgradeWith } from "./asking.js";
import { Client, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

type Access = Parameters<NonNullable<ServeOptions["onAccess"]>>[0];

function page(path = "/", method = "GET"): string {
  return `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}

describe("onRequest", () => {
  test("answers what is no upgrade, whatever the path and method", async () => {
    const { server } = await serveByHand({
      onRequest: (request, response) => void response.end(`${request.method} ${request.url}`),
      handler() {},
    });
    for (const [path, method] of [
      ["/", "GET"],
      ["/a?b", "POST"],
      ["/c", "DELETE"],
    ] as const) {
      const { status, head, body } = await answerTo(server.port, page(path, method));
      expect([status, body.includes(`${method} ${path}`), head.includes("200 OK")]).toEqual([200, true, true]);
    }
    await Client.open(server.url);
  });

  test("may take its time, longer than handshakeTimeoutMs", async () => {
    let answer: (() => void) | undefined;
    const { server, clock } = await serveByHand({
      async onRequest(_request, response) {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        response.writeHead(201).end();
      },
      handler() {},
    });
    const answered = answerTo(server.port, page());
    await until(() => answer !== undefined);
    clock.pass(60_000);
    answer?.();
    expect((await answered).status).toBe(201);
  });

  test.each<[how: string, onRequest: NonNullable<ServeOptions["onRequest"]>]>([
    [
      "throws",
      () => {
        throw new Error("no template");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("no template");
      },
    ],
    [
      "throws with headers already set",
      (_request, response) => {
        response.setHeader("Content-Length", "3");
        response.setHeader("Content-Encoding", "gzip");
        throw new Error("no template");
      },
    ],
  ])("that %s is 500 and logged, and the next request is answered", async (_how, onRequest) => {
    const { lines, logger } = rememberLines();
    const { server } = await serveByHand({ logger, onRequest, handler() {} });
    for (let i = 1; i <= 2; i++) {
      const { status, head, body } = await answerTo(server.port, page("/x?secret"));
      expect([status, body.includes("onRequest failed")]).toEqual([500, true]);
      expect(head).not.toContain("gzip");
      expect(lines.filter(({ level }) => level === "error")).toHaveLength(i);
    }
    expect(JSON.stringify(lines)).not.toContain("secret");
  });

  test("is told by its response when the client breaks off a slow answer", async () => {
    const seen: string[] = [];
    const { server } = await serveByHand({
      onRequest(_request, response) {
        response.write("half");
        response.once("close", () => seen.push(`closed, finished: ${response.writableFinished}`));
        seen.push("asked");
      },
      handler() {},
    });
    const peer = new RawPeer(server.port);
    peer.write(page());
    await until(() => peer.bytes.includes("half"));
    peer.socket.destroy();
    await until(() => seen.length === 2);
    expect(seen).toEqual(["asked", "closed, finished: false"]);
  });

  test("that throws in the middle of its answer has it cut", async () => {
    const { server } = await serveByHand({
      onRequest(_request, response) {
        response.writeHead(200, { "Content-Length": "1000" });
        response.write("half");
        throw new Error("no more");
      },
      handler() {},
    });
    const peer = new RawPeer(server.port);
    peer.write(page());
    await until(() => peer.isEnded);
    expect(peer.bytes.toString()).not.toContain("onRequest failed");
    await Client.open(server.url);
  });
});

describe("onAccess", () => {
  /** A server with everything that there is to tell of. */
  async function watch() {
    const entries: Access[] = [];
    const { server, clock } = await serveByHand({
      onAccess: (entry) => void entries.push(entry),
      onRequest: (_request, response) => void response.writeHead(204).end(),
      routes: {
        "/chat": { authorize: ({ query }) => (query.has("no") ? reject(401, "log in first") : {}), handler() {} },
      },
    });
    return { server, clock, entries };
  }

  const from = { remoteAddress: "127.0.0.1", durationMs: 0, at: 5_000, method: "GET" };

  test("is told of each request, upgrade and refusal once, without the query", async () => {
    const { server, clock, entries } = await watch();
    clock.pass(5_000);
    await answerTo(server.port, page("/page?secret", "PUT"));
    await until(() => entries.length === 1);
    const { peer } = await answerTo(server.port, upgradeRequest("/chat?secret"));
    await answerTo(server.port, upgradeRequest("/chat?no=secret"));
    await answerTo(server.port, upgradeRequest("/other?secret"));
    await answerTo(server.port, upgradeWith({ "Sec-WebSocket-Version": "8" }, "/chat"));
    await answerTo(server.port, upgradeRequest("/chat").replace("GET", "POST"));
    const origin = "http://evil.example";
    await answerTo(server.port, upgradeWith({ Origin: origin }, "/chat"));
    const upgrade = { ...from, type: "upgrade" };
    expect(entries).toEqual([
      { ...from, type: "request", path: "/page", method: "PUT", status: 204 },
      { ...upgrade, path: "/chat", status: 101, connection: expect.any(String) },
      { ...upgrade, path: "/chat", status: 401, reason: "log in first" },
      { ...upgrade, path: "/other", status: 404, reason: "there is no route /other" },
      { ...upgrade, path: "/chat", status: 426, reason: "the Sec-WebSocket-Version header is not 13" },
      { ...upgrade, path: "/chat", method: "POST", status: 405, reason: "an upgrade is a GET, not a POST" },
      { ...upgrade, path: "/chat", status: 403, reason: `the origin ${origin} is not allowed (option origins)` },
    ]);
    expect(server.connections().map(({ id }) => id)).toEqual([entries[1]?.connection]);
    peer.socket.destroy();
  });

  test("is told of bytes that made no request", async () => {
    const { server, clock, entries } = await watch();
    await answerTo(server.port, "this is no HTTP\r\n\r\n");
    await answerTo(server.port, `GET / HTTP/1.1\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`);
    const slow = answerTo(server.port, "GET / HT");
    await until(() => clock.alarms === 1);
    clock.pass(10_000);
    await slow;
    const nothing = { remoteAddress: "127.0.0.1", durationMs: 0, type: "request", method: "", path: "" };
    expect(entries).toEqual([
      { ...nothing, at: 0, status: 400, reason: "this is not an HTTP request" },
      { ...nothing, at: 0, status: 431, reason: "the request's head is too large" },
      { ...nothing, at: 10_000, status: 408, reason: "the request's head took too long" },
    ]);
  });

  test("is told how long an answer took", async () => {
    const entries: Access[] = [];
    const answers: (() => void)[] = [];
    const { server, clock } = await serveByHand({
      onAccess: (entry) => void entries.push(entry),
      onRequest: (_request, response) => void answers.push(() => response.end()),
      authorize: () => new Promise((resolve) => void answers.push(() => resolve({}))),
      handler() {},
    });
    for (const request of [page(), upgradeRequest()]) {
      const peer = new RawPeer(server.port);
      peer.write(request);
      await until(() => answers.length === 1);
      clock.pass(70);
      answers.pop()?.();
      await until(() => peer.bytes.length > 0);
      peer.socket.destroy();
    }
    await until(() => entries.length === 2);
    expect(entries.map(({ durationMs }) => durationMs)).toEqual([70, 70]);
  });

  test("that throws is logged, and nobody suffers", async () => {
    const { lines, logger } = rememberLines();
    const { server } = await serveByHand({
      logger,
      onAccess() {
        throw new Error("the disk is full");
      },
      handler() {},
    });
    expect((await answerTo(server.port, page())).status).toBe(426);
    const client = await Client.open(server.url);
    client.ws.ping();
    await once(client.ws, "pong");
    await until(() => lines.filter(({ line }) => line === "onAccess failed").length === 2);
  });
});

describe("a plain request that nothing answers", () => {
  test.each([
    ["GET", 426],
    ["HEAD", 426],
    ["POST", 405],
    ["OPTIONS", 405],
  ])("by %s gets status %d", async (method, status) => {
    const { server } = await serveByHand({ routes: { "/chat": { handler() {} } } });
    for (const path of ["/", "/chat", "/missing"])
      expect([path, (await answerTo(server.port, page(path, method))).status]).toEqual([path, status]);
  });
});
