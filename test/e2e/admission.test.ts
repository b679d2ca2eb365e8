/** Who is let in, over real sockets: `authorize`, `origins`, `protocols` and what proxies say. */
import { once } from "node:events";
import type { ServeOptions, UpgradeRequest } from "sendall";
import { reject } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { answerOf, answerTo, Doorkeeper, rememberLines, upgradeWith } from "./asking.js";
import { Client, clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

describe("authorize", () => {
  test.each<[how: string, authorize: (request: UpgradeRequest) => { user: string } | Promise<{ user: string }>]>([
    ["at once", ({ query }) => ({ user: query.get("user") ?? "" })],
    ["later", async ({ query }) => ({ user: query.get("user") ?? "" })],
  ])("gives the connection its data: %s", async (_how, authorize) => {
    const seen: unknown[] = [];
    const { server } = await serveByHand({
      authorize,
      handler: ({ type, connection }) => void (type === "open" && seen.push(connection.data)),
    });
    await Client.open(`${server.url}?user=ann`);
    await until(() => seen.length === 1);
    expect(seen).toEqual([{ user: "ann" }]);
  });

  test("that returns nothing leaves the data empty", async () => {
    const seen: unknown[] = [];
    const { server } = await serveByHand({
      authorize: () => undefined as unknown as Record<string, unknown>,
      handler: ({ type, connection }) => void (type === "open" && seen.push(connection.data)),
    });
    await Client.open(server.url);
    await until(() => seen.length === 1);
    expect(seen).toEqual([{}]);
  });

  test("is shown every fact of the request", async () => {
    const seen: UpgradeRequest<Readonly<Record<string, string>>>[] = [];
    const { server } = await serveByHand({
      routes: {
        "/room/:name": {
          authorize: (request) => {
            seen.push(request);
            return {};
          },
          handler() {},
        },
      },
    });
    const headers = {
      Origin: "http://127.0.0.1",
      Cookie: "a=1; b=%C3%A9",
      "Sec-WebSocket-Protocol": "v1, v2",
      "X-Custom": "yes",
    };
    const { status, peer } = await answerTo(server.port, upgradeWith(headers, "/room/caf%C3%A9?x=1&x=2"));
    expect(status).toBe(101);
    const [request] = seen;
    expect(request).toMatchObject({
      path: "/room/caf%C3%A9",
      params: { name: "café" },
      cookies: { a: "1", b: "é" },
      origin: "http://127.0.0.1",
      protocols: ["v1", "v2"],
      remoteAddress: "127.0.0.1",
      secure: false,
    });
    expect(request?.query.getAll("x")).toEqual(["1", "2"]);
    expect(request?.headers["x-custom"]).toBe("yes");
    expect(request?.signal.aborted).toBe(false);
    expect(request?.raw?.url).toBe("/room/caf%C3%A9?x=1&x=2");
    peer.socket.destroy();
  });

  test("at the top is for every route, and in a route for that route alone", async () => {
    const options: ServeOptions = {
      authorize: () => reject(401, "top"),
      routes: {
        "/a": { handler() {} },
        "/b": { authorize: () => reject(402, "own"), handler() {} },
        "/c": { authorize: () => ({}), handler() {} },
      },
    };
    const { server } = await serveByHand(options);
    const answers = await Promise.all(["/a", "/b", "/c"].map((path) => answerTo(server.port, upgradeRequest(path))));
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [401, "top"],
      [402, "own"],
      [101, ""],
    ]);
    expect([server.stats().refused, server.route("/a").stats().refused, server.route("/b").stats().refused]).toEqual([
      2, 1, 1,
    ]);
    answers[2]?.peer.socket.destroy();

    await using runtime = createTestRuntime(options);
    await expect(runtime.connect({ path: "/a" })).rejects.toMatchObject({ code: "REFUSED", status: 401, body: "top" });
    await expect(runtime.connect({ path: "/b" })).rejects.toMatchObject({ code: "REFUSED", status: 402, body: "own" });
    await runtime.connect({ path: "/c" });
  });

  test("refuses with the status, body and headers that it gives, unchanged", async () => {
    const body = '{"error":"expired",\r\n "what":"träge"}';
    const headers = {
      "content-type": "application/json",
      "WWW-Authenticate": 'Basic realm="x"',
      "content-length": "3",
    };
    const { server } = await serveByHand({ authorize: async () => reject(401, body, headers), handler() {} });
    const answer = await answerTo(server.port, upgradeRequest());
    expect(answer.status).toBe(401);
    expect(answer.body).toBe(body);
    const lines = answer.head.split("\r\n");
    expect(lines[0]).toBe("HTTP/1.1 401 Unauthorized");
    expect(lines.slice(1).sort()).toEqual([
      "Connection: close",
      `Content-Length: ${Buffer.byteLength(body)}`,
      'WWW-Authenticate: Basic realm="x"',
      "content-type: application/json",
    ]);
    expect(server.stats()).toMatchObject({ refused: 1, connections: 0 });
  });

  test("refuses in plain text and with an empty body if nothing else is said", async () => {
    const { server } = await serveByHand({ authorize: () => reject(403), handler() {} });
    const { status, head, body } = await answerTo(server.port, upgradeRequest());
    expect([status, body]).toEqual([403, ""]);
    expect(head).toContain("Content-Type: text/plain; charset=utf-8");
    await using runtime = createTestRuntime({
      authorize: () => reject(307, "elsewhere", { Location: "/x" }),
      handler() {},
    });
    await expect(runtime.connect()).rejects.toMatchObject({ code: "REFUSED", status: 307, body: "elsewhere" });
  });

  test.each<[what: string, refuse: () => unknown]>([
    ["a status that lets in", () => reject(200)],
    ["a status that is none", () => reject(600)],
    ["a body that is no string", () => reject(401, { error: 1 } as unknown as string)],
    ["a header with a line break in it", () => reject(302, "", { Location: "/\r\nSet-Cookie: a=1" })],
    ["a header name with a space", () => reject(401, "", { "X Y": "1" })],
    [
      "a header of several values",
      () => reject(401, "", { "Set-Cookie": ["a=1"] } as unknown as Record<string, string>),
    ],
  ])("cannot refuse with %s: that is a failure of its own", async (_what, refuse) => {
    expect(refuse).toThrow(expect.objectContaining({ code: "BAD_DATA", message: expect.stringMatching(/^reject: /) }));
    const { server } = await serveByHand({
      authorize: async () => refuse() as Record<string, unknown>,
      handler() {},
    });
    const { status, head } = await answerTo(server.port, upgradeRequest());
    expect(status).toBe(500);
    expect(head).not.toContain("Set-Cookie");
  });

  test.each<[how: string, authorize: () => Record<string, unknown> | Promise<Record<string, unknown>>]>([
    [
      "throws",
      () => {
        throw new Error("no database");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no database"))],
    ["rejects with nothing", () => Promise.reject()],
  ])("that %s is 500, logged, and no upgrade", async (_how, authorize) => {
    const { lines, logger } = rememberLines();
    const { server } = await serveByHand({ logger, authorize, handler() {} });
    const { status, body } = await answerTo(server.port, upgradeRequest("/x?secret=1"));
    expect([status, body]).toEqual([500, "authorize failed"]);
    const failures = lines.filter(({ level }) => level === "error");
    expect(failures).toMatchObject([{ line: "authorize failed", details: { path: "/x" } }]);
    expect(JSON.stringify(lines)).not.toContain("secret");
    expect(server.stats()).toMatchObject({ refused: 1, connections: 0 });
  });

  test("that takes too long is 503 after handshakeTimeoutMs, its signal is aborted, and its late answer means nothing", async () => {
    const door = new Doorkeeper();
    const { authorize } = door;
    const { server, clock } = await serveByHand({
      authorize,
      handshakeTimeoutMs: 700,
      maxConnections: 1,
      handler() {},
    });
    const before = clock.alarms;
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const slow = await door.nth(1);
    clock.pass(699);
    expect(slow.request.signal.aborted).toBe(false);
    clock.pass(1);
    expect(await answerOf(peer)).toMatchObject({ status: 503, body: "authorize took too long" });
    expect(slow.request.signal.aborted).toBe(true);
    slow.answer({});
    // Its place is free.
    const next = new Client(server.url);
    (await door.nth(2)).answer({});
    await once(next.ws, "open");
    expect([server.stats().connections, server.stats().refused]).toEqual([1, 1]);
    next.ws.terminate();
    await until(() => server.stats().connections === 0 && clock.alarms === before);
  });

  test("may take as long as the handshakeTimeoutMs of its own route", async () => {
    const door = new Doorkeeper();
    const { authorize } = door;
    const { server, clock } = await serveByHand({
      handshakeTimeoutMs: 5_000,
      routes: { "/slow": { authorize, handler() {} }, "/fast": { authorize, handshakeTimeoutMs: 100, handler() {} } },
    });
    const peers = ["/slow", "/fast"].map((path) => {
      const peer = new RawPeer(server.port);
      peer.write(upgradeRequest(path));
      return peer;
    });
    await door.nth(2);
    clock.pass(100);
    await until(() => peers[1]?.isEnded === true);
    expect(peers[0]?.isEnded).toBe(false);
    clock.pass(4_900);
    await until(() => peers[0]?.isEnded === true);
  });

  test.each<[how: string, leave: (peer: RawPeer) => void]>([
    ["resets its connection", ({ socket }) => void socket.resetAndDestroy()],
    ["closes its connection", ({ socket }) => void socket.destroy()],
    ["ends its side", ({ socket }) => void socket.end()],
  ])("learns of a peer that %s meanwhile, whose place is free at once", async (_how, leave) => {
    const door = new Doorkeeper();
    const { authorize } = door;
    const { lines, logger } = rememberLines();
    const { server, clock } = await serveByHand({ logger, authorize, maxConnections: 1, handler() {} });
    const before = clock.alarms;
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const left = await door.nth(1);
    const { signal } = left.request;
    expect(signal.aborted).toBe(false);
    leave(peer);
    await until(() => signal.aborted);
    // It has not answered yet, and what it says now is no failure.
    const next = new Client(server.url);
    const second = await door.nth(2);
    left.fail(new Error("aborted"));
    second.answer({});
    await once(next.ws, "open");
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
    expect(lines.filter(({ line }) => line === "upgrade refused")).toMatchObject([{ details: { status: 499 } }]);
    next.ws.terminate();
    await until(() => server.stats().connections === 0 && clock.alarms === before);
  });

  test("does not lose what the peer sends before it is let in", async () => {
    const door = new Doorkeeper();
    const { authorize } = door;
    const { server } = await serveByHand({
      authorize,
      handler: (event, bus) => void (event.type === "message" && bus.unicast(event.data, event.connection)),
    });
    const peer = new RawPeer(server.port);
    // The first in one packet with the head, the others while it waits.
    peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("0")]));
    const { request, answer } = await door.nth(1);
    for (let i = 1; i < 50; i++) peer.write(clientFrame(String(i)));
    const last = clientFrame("x".repeat(200_000));
    peer.write(last.subarray(0, 100_000));
    // Some of it has been read by the server, which holds it.
    await until(() => (request.raw?.socket.bytesRead ?? 0) > 10_000);
    answer({});
    peer.write(last.subarray(100_000));
    await until(() => peer.frames.length === 51);
    const texts = peer.frames.map(({ payload }) => payload.toString());
    expect(texts.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect(texts[50]).toHaveLength(200_000);
    peer.socket.destroy();
  });

  test("is not waited for by a server that closes: 503 at once, and the signal is aborted", async () => {
    const door = new Doorkeeper();
    const { authorize } = door;
    const { server, clock } = await serveByHand({ authorize, handshakeTimeoutMs: 60_000, handler() {} });
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const { request } = await door.nth(1);
    await server.close();
    expect(request.signal.aborted).toBe(true);
    expect(await answerOf(peer)).toMatchObject({ status: 503, body: "the server is closing" });
    expect(clock.alarms).toBe(0);
  });

  test("in the test runtime answers and times as over sockets", async () => {
    await using runtime = createTestRuntime({
      authorize: ({ query, headers, raw }) => {
        expect(raw).toBeUndefined();
        if (query.get("wait") !== null) return new Promise<{ token: string | undefined }>(() => {});
        if (headers.token === undefined) return reject(401, "no token");
        return { token: headers.token };
      },
      handler: ({ type, connection }) => void (type === "open" && connection.send(String(connection.data.token))),
    });
    await expect(runtime.connect()).rejects.toMatchObject({ code: "REFUSED", status: 401, body: "no token" });
    const client = await runtime.connect({ headers: { token: "t" } });
    expect(client.take()).toEqual(["t"]);
    const slow = expect(runtime.connect({ query: { wait: "1" } })).rejects.toMatchObject({
      status: 503,
      body: "authorize took too long",
    });
    await runtime.advance(10_000);
    await slow;
  });
});

describe("origins", () => {
  test.each<[what: string, origins: ServeOptions["origins"], origin: string | undefined, host: string, status: number]>(
    [
      ["the server's own", "same", "http://example.com:8080", "example.com:8080", 101],
      ["another port", "same", "http://example.com:8081", "example.com:8080", 403],
      ["a default port", "same", "https://example.com", "example.com:443", 101],
      ["two of this machine", "same", "http://localhost:3000", "127.0.0.1", 101],
      ["another site", "same", "https://evil.example", "127.0.0.1", 403],
      ["a page without one", "same", "null", "127.0.0.1", 403],
      ["none at all", "same", undefined, "127.0.0.1", 101],
      ["one on the list", ["https://a.example"], "https://a.example", "127.0.0.1", 101],
      ["one that is not", ["https://a.example"], "http://127.0.0.1", "127.0.0.1", 403],
      ["no page, with a list", [], undefined, "127.0.0.1", 101],
      ["any", "any", "https://evil.example", "127.0.0.1", 101],
    ],
  )("%s (%j): %s at %s is %d", async (_what, origins, origin, host, status) => {
    const { lines, logger } = rememberLines();
    let asked = 0;
    const authorize = () => {
      asked++;
      return {};
    };
    const { server } = await serveByHand({ logger, ...(origins && { origins }), authorize, handler() {} });
    const answer = await answerTo(server.port, upgradeWith({ Host: host, ...(origin && { Origin: origin }) }));
    expect(answer.status).toBe(status);
    expect(asked).toBe(status === 101 ? 1 : 0);
    if (status === 403) {
      expect(answer.body).toBe(`the origin ${origin} is not allowed (option origins)`);
      expect(lines.filter(({ level }) => level === "warn")).toMatchObject([
        { line: "upgrade refused", details: { status } },
      ]);
    }
    answer.peer.socket.destroy();
  });

  test('are "same" where nothing is said', async () => {
    await using runtime = createTestRuntime({ handler() {} });
    await runtime.connect({ headers: { host: "example.com", origin: "https://example.com" } });
    await expect(runtime.connect({ headers: { origin: "https://evil.example" } })).rejects.toMatchObject({
      status: 403,
    });
  });
});

describe("protocols", () => {
  test.each<[what: string, ours: string[] | undefined, offered: string | undefined, chosen: string | undefined]>([
    ["ours is the preference", ["v2", "v1"], "v1, v2", "v2"],
    ["the only common one", ["v3", "v1"], "v1, v2", "v1"],
    ["none in common", ["v3"], "v1, v2", undefined],
    ["none offered", ["v1"], undefined, undefined],
    ["we have none", undefined, "v1", undefined],
    ["their case matters", ["v1"], "V1", undefined],
  ])("are chosen: %s", async (_what, ours, offered, chosen) => {
    const seen: string[] = [];
    const { server } = await serveByHand({
      ...(ours && { protocols: ours }),
      handler: ({ type, connection }) => void (type === "open" && seen.push(connection.protocol)),
    });
    const request = offered === undefined ? upgradeRequest() : upgradeWith({ "Sec-WebSocket-Protocol": offered });
    const { status, head, peer } = await answerTo(server.port, request);
    await until(() => seen.length === 1);
    expect([status, seen[0]]).toEqual([101, chosen ?? ""]);
    expect(/^sec-websocket-protocol: (.*)$/im.exec(head)?.[1]).toBe(chosen);
    peer.socket.destroy();
    await using runtime = createTestRuntime({ ...(ours && { protocols: ours }), handler() {} });
    const headers = offered === undefined ? {} : { "sec-websocket-protocol": offered };
    expect((await runtime.connect({ headers })).protocol).toBe(chosen ?? "");
  });

  test.each(["", "v1,", "v1,,v2", "v1 v2", "v1, v1", "v(1)"])(
    'in a header that is no list of names are refused with 400, and take no place: "%s"',
    async (offered) => {
      const { server } = await serveByHand({ protocols: ["v1"], maxConnections: 1, handler() {} });
      for (let i = 0; i < 2; i++) {
        const { status, body } = await answerTo(server.port, upgradeWith({ "Sec-WebSocket-Protocol": offered }));
        expect([status, body]).toEqual([400, "the Sec-WebSocket-Protocol header is not a list of different names"]);
      }
      expect(server.stats().refused).toBe(2);
      await Client.open(server.url);
    },
  );
});

describe("what proxies say", () => {
  const spoofed = {
    "X-Forwarded-For": "1.1.1.1, 2.2.2.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "outer.example",
  };

  test.each<[trustProxy: boolean | number | undefined, remoteAddress: string, secure: boolean]>([
    [undefined, "127.0.0.1", false],
    [false, "127.0.0.1", false],
    [0, "127.0.0.1", false],
    [1, "2.2.2.2", true],
    [2, "1.1.1.1", true],
    [true, "1.1.1.1", true],
  ])("is believed as far as trustProxy says: %s", async (trustProxy, remoteAddress, secure) => {
    const seen: unknown[] = [];
    const note = ({ remoteAddress, secure }: { remoteAddress: string; secure: boolean }): void =>
      void seen.push([remoteAddress, secure]);
    const access: unknown[] = [];
    const { server } = await serveByHand({
      ...(trustProxy !== undefined && { trustProxy }),
      authorize: (request) => {
        note(request);
        return request.query.get("refuse") === null ? {} : reject(401);
      },
      onAccess: ({ remoteAddress, status }) => void access.push([remoteAddress, status]),
      handler: ({ type, connection }) => void (type === "open" && note(connection)),
    });
    const { peer } = await answerTo(server.port, upgradeWith(spoofed));
    await until(() => seen.length === 2);
    await answerTo(server.port, upgradeWith(spoofed, "/?refuse"));
    const plain = upgradeWith(spoofed).replace(/Upgrade: websocket\r\nConnection: Upgrade/, "Connection: close");
    await answerTo(server.port, plain);
    await until(() => access.length === 3);
    expect(seen).toEqual(Array(3).fill([remoteAddress, secure]));
    expect(access).toEqual([101, 401, 426].map((status) => [remoteAddress, status]));
    peer.socket.destroy();
  });

  test("names the host with which a page's origin is compared", async () => {
    const origin = { Origin: "https://outer.example" };
    for (const [trustProxy, status] of [
      [1, 101],
      [false, 403],
    ] as const) {
      const { server } = await serveByHand({ trustProxy, handler() {} });
      const answer = await answerTo(server.port, upgradeWith({ ...spoofed, ...origin }));
      expect([trustProxy, answer.status]).toEqual([trustProxy, status]);
      answer.peer.socket.destroy();
    }
  });

  test("names the address that maxConnectionsPerAddress counts", async () => {
    const { server } = await serveByHand({ trustProxy: 1, maxConnectionsPerAddress: 1, handler() {} });
    const from = (address: string) => answerTo(server.port, upgradeWith({ "X-Forwarded-For": address }));
    const [a, b, again] = [await from("1.1.1.1"), await from("2.2.2.2"), await from("9.9.9.9, 1.1.1.1")];
    expect([a.status, b.status, again.status]).toEqual([101, 101, 503]);
    for (const { peer } of [a, b]) peer.socket.destroy();
  });
});
