/** Who is let in over SockJS, by which rows and from which pages; where its rows are, and where they are not. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { type AccessEntry, attach, reject, type Server } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { Doorkeeper, rememberLines, upgradeWith } from "./asking.js";
import { Client, nextRound, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import {
  type Answer,
  ask,
  newSession,
  openEcho,
  openFramed,
  Poller,
  untilOpen,
  Wire,
  watchSessions,
} from "./sockjs-peers.js";

const PAGE = "http://page.example";

/** An upgrade as it stands, and its answer to the end. */
async function upgrade(port: number, request: string): Promise<Answer> {
  const wire = new Wire(port);
  wire.peer.write(request);
  const head = await wire.head();
  return { ...head, body: head.status === 101 ? "" : await wire.toEnd() };
}

function cors({ headers }: Pick<Answer, "headers">): (string | undefined)[] {
  return [headers["access-control-allow-origin"], headers["access-control-allow-credentials"]];
}

describe("authorize", () => {
  test("is told what a trusted proxy says behind a thousand headers of the peer's own", async () => {
    const seen: string[] = [];
    const { port } = await openEcho({
      trustProxy: 1,
      authorize: ({ remoteAddress }) => {
        seen.push(remoteAddress);
        return {};
      },
    });
    const many = "W: b\r\n".repeat(1_100);
    const { status } = await upgrade(
      port,
      `POST ${newSession("/echo")}/xhr HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n` +
        `X-Forwarded-For: 6.6.6.6\r\n${many}X-Forwarded-For: 1.2.3.4\r\n\r\n`,
    );
    expect([status, seen]).toEqual([200, ["1.2.3.4"]]);
  });

  test("is asked once a session, about the request that creates it", async () => {
    const asked: string[] = [];
    const { port, server } = await openEcho({
      routes: {
        "/echo": {
          authorize(request) {
            const { path, query, headers, cookies, protocols, remoteAddress, raw } = request;
            asked.push(
              `${path} ${query.get("nick")} ${headers.cookie} ${cookies.login} ${remoteAddress} ${raw?.method}`,
            );
            expect(protocols).toEqual([]);
            return { nick: query.get("nick") };
          },
          handler(event, bus) {
            if (event.type === "message") bus.unicast(`${event.connection.data.nick}`, event.connection);
          },
        },
      },
    });
    const root = newSession("/echo");
    const headers = { Cookie: "login=secret" };
    expect((await ask(port, "POST", `${root}/xhr?nick=ann`, { headers })).body).toBe("o\n");
    await ask(port, "POST", `${root}/xhr_send`, { body: '["x"]' });
    expect((await ask(port, "POST", `${root}/xhr?nick=eve`)).body).toBe('a["ann"]\n');
    expect(asked).toEqual(["/echo ann login=secret secret 127.0.0.1 POST"]);
    await openFramed(server, `${newSession("/echo")}/websocket?nick=bob`);
    expect(asked[1]).toBe("/echo bob undefined undefined 127.0.0.1 GET");
  });

  test.each(["xhr", "xhr_streaming", "eventsource", "htmlfile?c=x", "jsonp?c=x"])(
    "refuses with its own status, body and headers, which the page may read: %s",
    async (row) => {
      const { port, server } = await openEcho({
        authorize: () => reject(401, "log in first", { "WWW-Authenticate": "Basic" }),
      });
      const poller = new Poller(port);
      const answer = await poller.poll(row, { headers: { Origin: PAGE } });
      expect(answer).toMatchObject({ status: 401, body: "log in first" });
      expect(answer.headers["www-authenticate"]).toBe("Basic");
      expect(answer.headers["content-type"]).toBe("text/plain; charset=UTF-8");
      expect(answer.headers["transfer-encoding"]).toBeUndefined();
      if (row.startsWith("xhr") || row === "eventsource") expect(cors(answer)).toEqual([PAGE, "true"]);
      expect(server.stats()).toMatchObject({ connections: 0, refused: 1 });
      expect((await poller.send("x")).status).toBe(404);
      // Nothing is left of it: the next request is asked about again.
      expect((await poller.poll(row)).status).toBe(401);
    },
  );

  test("that takes its time holds the first request, and a second is turned away", async () => {
    const doorkeeper = new Doorkeeper();
    const { port, events } = await openEcho({ authorize: doorkeeper.authorize });
    const poller = new Poller(port);
    const first = poller.wait();
    const { answer } = await doorkeeper.nth(1);
    expect((await poller.poll()).body).toBe('c[2010,"Another connection still open"]\n');
    expect((await poller.send("x")).status).toBe(404);
    answer({ nick: "ann" });
    expect((await first.answer()).body).toBe("o\n");
    await until(() => events.length === 1);
  });

  test("is not waited for by a client that has left, and its session leaves nothing behind", async () => {
    const doorkeeper = new Doorkeeper();
    const { lines, logger } = rememberLines();
    const { port, server, clock } = await openEcho({ authorize: doorkeeper.authorize, logger });
    const poller = new Poller(port);
    const first = poller.wait();
    const { answer, request } = await doorkeeper.nth(1);
    first.leave();
    await until(() => request.signal.aborted);
    answer({});
    await until(() => lines.some(({ line }) => line === "session refused"));
    await until(() => clock.alarms === 0);
    expect(server.stats()).toMatchObject({ connections: 0, refused: 1 });
    const second = poller.wait();
    (await doorkeeper.nth(2)).answer({});
    expect((await second.answer()).body).toBe("o\n");
  });

  test("that takes too long, or throws, is answered as for an upgrade", async () => {
    const doorkeeper = new Doorkeeper();
    const { port, clock } = await openEcho({ authorize: doorkeeper.authorize, handshakeTimeoutMs: 1_000 });
    const late = new Poller(port).wait();
    await doorkeeper.nth(1);
    clock.pass(1_000);
    expect(await late.answer()).toMatchObject({ status: 503, body: "authorize took too long" });
    const bad = new Poller(port).wait();
    (await doorkeeper.nth(2)).fail(new Error("no database"));
    expect(await bad.answer()).toMatchObject({ status: 500, body: "authorize failed" });
  });
});

describe("places", () => {
  test("are taken by sessions, and free again when these end", async () => {
    const { port, server, clock } = await openEcho({ maxConnections: 2 });
    const ann = await Poller.open(port);
    const bob = await openFramed(server, `${newSession("/echo")}/websocket`);
    const refused = await new Poller(port).poll("xhr", { headers: { Origin: PAGE } });
    expect(refused).toMatchObject({ status: 503, body: "the server is full" });
    expect(cors(refused)).toEqual([PAGE, "true"]);
    // Later requests of a session have their place.
    await ann.send("x");
    expect((await ann.poll()).body).toBe('a["x"]\n');
    bob.ws.close();
    await untilOpen(server, 1);
    // A place is free when its socket has gone.
    await until(() => bob.socket.destroyed);
    await Poller.open(port);
    clock.pass(5_000);
    await untilOpen(server, 0);
    await Poller.open(port);
  });

  test('are waited for with whenFull: "wait"', async () => {
    const { port, server } = await openEcho({ maxConnections: 1, whenFull: "wait" });
    const first = await openFramed(server, `${newSession("/echo")}/websocket`);
    const states = watchSessions(server);
    const waiting = new Poller(port).wait();
    await until(() => states.last === '"connecting"');
    expect(waiting.unread).toBe("");
    first.ws.close();
    expect((await waiting.answer()).body).toBe("o\n");
  });

  test("are limited for each address", async () => {
    const { port } = await openEcho({ maxConnectionsPerAddress: 1, trustProxy: 1 });
    const from = (address: string): Promise<Answer> =>
      new Poller(port).poll("xhr", { headers: { "X-Forwarded-For": address } });
    expect((await from("10.0.0.1")).body).toBe("o\n");
    expect((await from("10.0.0.1")).status).toBe(503);
    expect((await from("10.0.0.2")).body).toBe("o\n");
  });
});

describe("origins", () => {
  const own = (port: number): string => `http://127.0.0.1:${port}`;
  const poll = (port: number, headers: Record<string, string>): Promise<Answer> =>
    new Poller(port).poll("xhr", { headers: { Host: `127.0.0.1:${port}`, ...headers } });

  test.each([
    ["same", {}, 200],
    ["same", { Origin: "OWN" }, 200],
    ["same", { Origin: "http://localhost:1" }, 200],
    ["same", { Origin: PAGE }, 403],
    ["same", { Origin: "null" }, 403],
    ["same", { "Sec-Fetch-Site": "same-origin" }, 200],
    ["same", { "Sec-Fetch-Site": "none" }, 200],
    ["same", { "Sec-Fetch-Site": "cross-site" }, 403],
    ["same", { "Sec-Fetch-Site": "same-site" }, 403],
    ["same", { "Sec-Fetch-Site": "cross-site", Referer: `${PAGE}/x` }, 403],
    ["same", { "Sec-Fetch-Site": "same-site", Referer: "http://localhost:3000/" }, 200],
    ["same", { Referer: `${PAGE}/x` }, 403],
    ["same", { Referer: "OWN/x?y" }, 200],
    ["same", { Referer: "nonsense" }, 403],
    ["same", { Origin: PAGE, "Sec-Fetch-Site": "same-origin" }, 403],
    ["list", {}, 200],
    ["list", { Origin: PAGE }, 200],
    ["list", { Origin: "OWN" }, 403],
    ["list", { "Sec-Fetch-Site": "same-origin" }, 403],
    ["list", { "Sec-Fetch-Site": "cross-site", Referer: `${PAGE}/` }, 200],
    ["list", { "Sec-Fetch-Site": "cross-site" }, 403],
    ["list", { Referer: "http://evil.example/" }, 403],
    ["any", { Origin: "http://evil.example" }, 200],
    ["any", { Origin: "null" }, 200],
    ["any", { "Sec-Fetch-Site": "cross-site" }, 200],
    ["any", { Referer: "http://evil.example/" }, 200],
  ] as const)('"%s" judges a request that creates a session with %j: %d', async (option, sent, status) => {
    const { port, server } = await openEcho({ origins: option === "list" ? [PAGE] : option });
    const headers = Object.fromEntries(Object.entries(sent).map(([k, v]) => [k, v.replace("OWN", own(port))]));
    const answer = await poll(port, headers);
    expect(answer.status).toBe(status);
    expect(server.stats()).toMatchObject({ connections: status === 200 ? 1 : 0, refused: status === 200 ? 0 : 1 });
    if (status === 403) expect(answer.body).toMatch(/^the origin .+ is not allowed \(option origins\)$/);
    if (status === 403) expect(cors(answer)).toEqual([undefined, undefined]);
  });

  test("decide which pages may read an answer", async () => {
    const { port } = await openEcho({ origins: [PAGE] });
    const info = (origin: string): Promise<Answer> => ask(port, "GET", "/echo/info", { headers: { Origin: origin } });
    expect(cors(await info(PAGE))).toEqual([PAGE, "true"]);
    const foreign = await info("http://evil.example");
    expect(cors(foreign)).toEqual([undefined, undefined]);
    expect(foreign.headers.vary).toBe("Origin");
    const preflight = await ask(port, "OPTIONS", "/echo/a/b/xhr", { headers: { Origin: "http://evil.example" } });
    expect(preflight.status).toBe(204);
    expect(cors(preflight)).toEqual([undefined, undefined]);
    expect(preflight.headers).not.toHaveProperty("access-control-allow-methods");
    expect(cors(await ask(port, "GET", "/echo/info"))).toEqual([undefined, undefined]);
  });

  test("are not asked about by later requests of a session", async () => {
    const { port } = await openEcho({ origins: "same" });
    const poller = await Poller.open(port);
    const headers = { Origin: "http://evil.example" };
    expect((await poller.post('["x"]', headers)).status).toBe(204);
    expect((await poller.poll("xhr", { headers })).body).toBe('a["x"]\n');
  });

  test.each(["same", "list"])('"%s" leave no place for transports that are scripts', async (option) => {
    const { port, server } = await openEcho({ origins: option === "list" ? [PAGE] : "same" });
    for (const [row, transport] of [
      ["jsonp?c=x", "jsonp-polling"],
      ["htmlfile?c=x", "htmlfile"],
    ] as const) {
      const answer = await new Poller(port).poll(row);
      expect(answer.status).toBe(403);
      expect(answer.body).toBe(`the transport ${transport} is for any origin or none (option origins)`);
    }
    expect(server.stats()).toMatchObject({ connections: 0, refused: 2 });
  });

  test.each([
    ["same", "www.example", "frame-ancestors 'self'"],
    [
      "same",
      "127.0.0.1",
      "frame-ancestors 'self' http://localhost:* https://localhost:* http://127.0.0.1:* https://127.0.0.1:*",
    ],
    ["list", "www.example", "frame-ancestors http://page.example https://b.example:8443"],
    ["none", "www.example", "frame-ancestors 'none'"],
    ["any", "www.example", undefined],
  ] as const)('"%s" decide at %s who may frame the iframe page', async (option, host, expected) => {
    const lists = { list: [PAGE, "https://b.example:8443"], none: [] };
    const { port } = await openEcho({ origins: option === "list" || option === "none" ? lists[option] : option });
    const answer = await ask(port, "GET", "/echo/iframe.html", { headers: { Host: host } });
    expect(answer.headers["content-security-policy"]).toBe(expected);
  });

  test("judge a websocket by its Origin header alone", async () => {
    const { port } = await openEcho({ origins: "same" });
    const path = `${newSession("/echo")}/websocket`;
    const refused = await upgrade(port, upgradeWith({ Origin: PAGE }, path));
    expect(refused).toMatchObject({ status: 403, body: `the origin ${PAGE} is not allowed (option origins)` });
    const headers = { "Sec-Fetch-Site": "cross-site", Referer: PAGE };
    expect((await upgrade(port, upgradeWith(headers, path))).status).toBe(101);
  });

  test("let an EventSource of an unknown page read as anybody, without credentials", async () => {
    const { port } = await openEcho({ origins: "any" });
    const origin = async (headers: Record<string, string>): Promise<(string | undefined)[]> =>
      cors(await new Wire(port).ask("GET", `${newSession("/echo")}/eventsource`, { headers }).head());
    expect(await origin({})).toEqual(["*", undefined]);
    expect(await origin({ Origin: "null" })).toEqual(["*", undefined]);
    expect(await origin({ Origin: PAGE })).toEqual([PAGE, "true"]);
    const strict = await openEcho({ origins: "same" });
    const refused = new Poller(strict.port).poll("eventsource", { headers: { Origin: "null" } });
    expect((await refused).status).toBe(403);
  });

  test("of TLS let the cookie cross sites", async () => {
    const { port } = await openEcho({ sockjs: { cookieNeeded: true }, trustProxy: 1 });
    const answer = await new Poller(port).poll("xhr", { headers: { "X-Forwarded-Proto": "https" } });
    expect(answer.headers["set-cookie"]).toBe("JSESSIONID=dummy; path=/; Secure; SameSite=None");
  });
});

describe("methods that a row does not have", () => {
  const allowed: Readonly<Record<string, string>> = {
    "": "GET",
    "/info": "OPTIONS, GET",
    "/iframe.html": "GET",
    "/websocket": "GET",
    "/0/0/websocket": "GET",
    "/0/0/xhr": "POST, OPTIONS",
    "/0/0/xhr_streaming": "POST, OPTIONS",
    "/0/0/xhr_send": "POST, OPTIONS",
    "/0/0/eventsource": "GET",
    "/0/0/htmlfile": "GET",
    "/0/0/jsonp": "GET",
    "/0/0/jsonp_send": "POST",
  };

  test.each(Object.entries(allowed))("are refused with those that it has: /echo%s", async (path, allow) => {
    const { port, server } = await openEcho();
    const others = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"].filter(
      (method) => !allow.split(", ").includes(method),
    );
    for (const method of others) {
      const wire = new Wire(port).ask(method, `/echo${path}`, { headers: { Connection: "close" } });
      const { status, headers } = await wire.head();
      expect([method, status, headers.allow]).toEqual([method, 405, allow]);
      expect(headers).not.toHaveProperty("content-type");
      expect(await wire.toEnd()).toBe("");
    }
    expect(server.stats().connections).toBe(0);
  });
});

describe("upgrades below a route", () => {
  test.each([
    ["/echo/0/0/xhr", "GET", 405, "POST, OPTIONS"],
    ["/echo/info", "GET", 405, "OPTIONS, GET"],
    ["/echo/0/0/websocket", "POST", 405, "GET"],
    ["/echo/websocket", "PUT", 405, "GET"],
    ["/echo/0/0/unknown", "GET", 404, undefined],
    ["/echo/x", "GET", 404, undefined],
    ["/echox/websocket", "GET", 404, undefined],
  ] as const)("that are none of SockJS's are refused: %s %s", async (path, method, status, allow) => {
    const { port } = await openEcho();
    const answer = await upgrade(port, upgradeRequest(path).replace(/^GET/, method));
    expect(answer.status).toBe(status);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.headers.connection).toBe("close");
    if (status !== 405) return;
    expect(answer.headers).not.toHaveProperty("content-type");
    expect(answer.body).toBe("");
  });

  test("with a bad head are refused as upgrades elsewhere are", async () => {
    const { port } = await openEcho();
    const good = upgradeRequest("/echo/0/0/websocket");
    for (const [from, to, status] of [
      ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 7", 426],
      ["Host: 127.0.0.1", "X-Host: 127.0.0.1", 400],
      ["dGhlIHNhbXBsZSBub25jZQ==", "short", 400],
    ] as const)
      expect((await upgrade(port, good.replace(from, to))).status).toBe(status);
  });

  test("that are reset while they are refused do not end the process", async () => {
    const doorkeeper = new Doorkeeper();
    const { port, server } = await openEcho({ authorize: doorkeeper.authorize });
    for (const path of ["/echo/0/0/websocket", "/echo/0/0/xhr", "/echo/nothing"]) {
      const peer = new RawPeer(port);
      peer.write(upgradeRequest(path));
      if (path.endsWith("websocket")) await doorkeeper.nth(1);
      peer.socket.resetAndDestroy();
      await until(() => peer.isEnded);
    }
    (await doorkeeper.nth(1)).answer({});
    for (let i = 0; i < 20; i++) await nextRound();
    expect(server.isReady).toBe(true);
    expect((await ask(port, "GET", "/echo")).status).toBe(200);
  });

  test("choose no subprotocol, unless they are raw", async () => {
    const { port, server } = await openEcho({ protocols: ["chat"] });
    const headers = { "Sec-WebSocket-Protocol": "chat" };
    const framed = await upgrade(port, upgradeWith(headers, "/echo/0/0/websocket"));
    expect(framed.status).toBe(101);
    expect(framed.headers).not.toHaveProperty("sec-websocket-protocol");
    expect(server.connections()[0]?.protocol).toBe("");
    const raw = await upgrade(port, upgradeWith(headers, "/echo/websocket"));
    expect(raw.headers["sec-websocket-protocol"]).toBe("chat");
  });

  test("have cookies for authorize alone", async () => {
    const seen: unknown[] = [];
    const { port, events } = await openEcho({
      authorize({ cookies }) {
        seen.push(cookies.a);
        return {};
      },
    });
    for (const path of ["/echo/0/0/websocket", "/echo/websocket", "/echo"])
      expect((await upgrade(port, upgradeWith({ Cookie: "a=1" }, path))).status).toBe(101);
    await until(() => events.filter(({ type }) => type === "open").length === 3);
    expect(seen).toEqual(["1", "1", "1"]);
    const opened = events.flatMap((event) => (event.type === "open" ? [event.connection] : []));
    expect(opened.map(({ path, headers, cookies }) => [path, headers.cookie, cookies.a])).toEqual([
      ["/echo", undefined, undefined],
      ["/echo", undefined, undefined],
      ["/echo", "a=1", "1"],
    ]);
  });
});

describe("without websocket", () => {
  test.each(["/echo/0/0/websocket", "/echo/websocket"])("%s is not there, for a year", async (path) => {
    const { port } = await openEcho({ sockjs: { websocket: false } });
    for (const answer of [await ask(port, "GET", path), await upgrade(port, upgradeRequest(path))]) {
      expect(answer.status).toBe(404);
      expect(answer.headers["cache-control"]).toMatch(/^public, max-age=31536000$/);
      expect(Date.parse(answer.headers.expires ?? "")).toBeGreaterThan(0);
      expect(answer.body.length).toBeLessThan(1_024);
    }
  });

  test("plain WebSocket is there all the same, at the route itself", async () => {
    const { server } = await openEcho({ sockjs: { websocket: false } });
    const client = await Client.open(new URL("/echo", server.url).href);
    client.send("x");
    await until(() => client.received.length === 1);
  });
});

describe("services", () => {
  test("have sessions of their own", async () => {
    const { port, server } = await serveByHand({
      sockjs: true,
      routes: { "/a": { handler() {} }, "/b": { handler() {} }, "/c": { sockjs: false, handler() {} } },
    }).then(({ server }) => ({ server, port: server.port }));
    expect((await ask(port, "POST", "/a/0/same/xhr")).body).toBe("o\n");
    expect((await ask(port, "POST", "/b/0/same/xhr_send", { body: '["x"]' })).status).toBe(404);
    expect((await ask(port, "POST", "/b/0/same/xhr")).body).toBe("o\n");
    expect(server.route("/a").stats().connections).toBe(1);
    expect(server.route("/b").stats().connections).toBe(1);
    expect((await ask(port, "GET", "/c/info")).status).toBe(426);
    expect((await ask(port, "POST", "/c/0/same/xhr")).status).toBe(405);
  });

  test("may lie below one another, and leave other routes alone", async () => {
    const { port } = await serveByHand({
      sockjs: true,
      routes: {
        "/a": { handler() {} },
        "/a/b": { handler() {} },
        "/a/info": { sockjs: false, handler() {} },
        "/ü b/": { handler() {} },
        "/": { handler() {} },
      },
    }).then(({ server }) => server);
    expect((await ask(port, "GET", "/a/b/info")).status).toBe(200);
    expect((await ask(port, "GET", "/a/b")).body).toBe("Welcome to SockJS!\n");
    expect((await ask(port, "POST", "/a/b/c/xhr")).body).toBe("o\n");
    expect((await ask(port, "POST", "/a/b/b/c/xhr")).body).toBe("o\n");
    expect((await ask(port, "GET", "/a/info")).status).toBe(426);
    expect((await ask(port, "POST", "/a/c/xhr")).status).toBe(404);
    expect((await ask(port, "POST", "/x/c/xhr")).body).toBe("o\n");
    expect((await ask(port, "GET", "/%C3%BC%20b/info")).status).toBe(200);
    expect((await ask(port, "POST", "/%C3%BC%20b/0/0/xhr")).body).toBe("o\n");
  });

  test("of a handler alone are at every path", async () => {
    const opened: string[] = [];
    const { server } = await serveByHand({
      sockjs: true,
      handler(event) {
        if (event.type === "open") opened.push(event.connection.path);
      },
    });
    const { port } = server;
    expect((await ask(port, "GET", "/info")).status).toBe(200);
    expect((await ask(port, "GET", "/any/where/info")).status).toBe(200);
    expect((await ask(port, "GET", "/")).body).toBe("Welcome to SockJS!\n");
    expect((await ask(port, "GET", "/any")).body).toBe("Welcome to SockJS!\n");
    expect((await ask(port, "POST", "/any")).status).toBe(405);
    expect((await ask(port, "POST", "/0/root/xhr")).body).toBe("o\n");
    expect((await ask(port, "POST", "/any/where/0/root/xhr")).body).toBe("o\n");
    await openFramed(server, "/any/0/root/websocket");
    await Client.open(new URL("/any/websocket", server.url).href);
    await Client.open(new URL("/plain/path", server.url).href);
    await until(() => opened.length === 5);
    expect(opened).toEqual(["/", "/any/where", "/any", "/any", "/plain/path"]);
  });

  test("at the root leave files and onRequest theirs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sendall-sockjs-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "index.html"), "a page");
    writeFileSync(join(folder, "info"), "not this");
    const { server } = await serveByHand({ sockjs: true, static: folder, handler() {} });
    expect((await ask(server.port, "GET", "/")).body).toBe("a page");
    expect((await ask(server.port, "GET", "/info")).headers["content-type"]).toMatch(/json/);
    const other = await serveByHand({
      sockjs: true,
      routes: { "/": { handler() {} } },
      onRequest: (_request, response) => void response.end("mine"),
    });
    expect((await ask(other.server.port, "GET", "/")).body).toBe("mine");
    expect((await ask(other.server.port, "GET", "/nothing")).body).toBe("mine");
    expect((await ask(other.server.port, "POST", "/0/0/xhr")).body).toBe("o\n");
    const bare = await serveByHand({ sockjs: true, routes: { "/": { handler() {} } } });
    expect((await ask(bare.server.port, "GET", "/")).body).toBe("Welcome to SockJS!\n");
    expect((await ask(bare.server.port, "GET", "/nothing")).status).toBe(426);
  });
});

describe("beside an HTTP server of somebody else's", () => {
  async function host(listener: HttpServer): Promise<number> {
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    onTestFinished(() => void listener.close().closeAllConnections());
    const address = listener.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  const options = {
    logger: false,
    sockjs: true,
    routes: {
      "/echo": {
        handler(event: import("sendall").ServerEvent, bus: import("sendall").Bus) {
          if (event.type === "message") bus.unicast(event.text, event.connection);
        },
      },
    },
  } as const;

  async function talk(server: Server, port: number): Promise<void> {
    expect((await ask(port, "GET", "/echo/info")).status).toBe(200);
    const poller = await Poller.open(port);
    await poller.send("x");
    expect((await poller.poll()).body).toBe('a["x"]\n');
    expect((await ask(port, "GET", "/echo/nothing")).status).toBe(404);
    const framed = new RawPeer(port);
    framed.write(upgradeRequest("/echo/0/0/websocket"));
    await until(() => framed.frames.length === 1);
    expect(framed.frames[0]?.payload.toString()).toBe("o");
    framed.socket.destroy();
    expect(server.stats().connections).toBeGreaterThan(0);
    await leave(server, poller);
  }

  /** A session that nobody polls would be waited for when the server closes. */
  async function leave(server: Server, poller: Poller): Promise<void> {
    const stream = poller.wait("xhr_streaming");
    await stream.head();
    stream.cut();
    await untilOpen(server, 0);
  }

  test("SockJS is in the middleware, and the rest stays the host's: Express", async () => {
    const app = express();
    const listener = createServer(app);
    const server = await attach(listener, options);
    app.use(server.middleware);
    app.get("/mine", (_request, response) => void response.send("mine"));
    const port = await host(listener);
    await talk(server, port);
    expect((await ask(port, "GET", "/mine")).body).toBe("mine");
    expect((await ask(port, "GET", "/elsewhere")).status).toBe(404);
    await server.close();
    expect((await ask(port, "GET", "/mine")).body).toBe("mine");
    expect((await new Poller(port).poll()).status).toBe(503);
  });

  test("SockJS is in the middleware, and the rest stays the host's: a bare server", async () => {
    const listener = createServer((request, response) =>
      server.middleware(request, response, () => void response.end("mine")),
    );
    const server = await attach(listener, options);
    const port = await host(listener);
    await talk(server, port);
    expect((await ask(port, "GET", "/")).body).toBe("mine");
    await server.close();
  });

  test("SockJS takes its own upgrades and leaves the others to other listeners", async () => {
    const listener = createServer((_request, response) => void response.end("mine"));
    const others: string[] = [];
    listener.on("upgrade", (request, socket) => {
      if (request.url?.startsWith("/echo")) return;
      others.push(request.url ?? "");
      socket.end("HTTP/1.1 418 Other\r\n\r\n");
    });
    const server = await attach(listener, options);
    const port = await host(listener);
    for (const path of ["/echo/0/0/websocket", "/echo/websocket", "/echo"])
      expect((await upgrade(port, upgradeRequest(path))).status).toBe(101);
    expect((await upgrade(port, upgradeRequest("/echo/0/0/xhr"))).status).toBe(405);
    expect((await upgrade(port, upgradeRequest("/other/0/0/websocket"))).status).toBe(418);
    expect(others).toEqual(["/other/0/0/websocket"]);
    for (const connection of server.connections()) connection.terminate();
    await server.close();
  });

  test("that has read the body already, SockJS says that the payload is missing", async () => {
    const app = express();
    const listener = createServer(app);
    const server = await attach(listener, options);
    app.use(express.text({ type: "*/*" }), server.middleware);
    const port = await host(listener);
    const poller = await Poller.open(port);
    const answer = await poller.post('["x"]', { "Content-Type": "text/plain" });
    expect(answer).toMatchObject({ status: 500, body: "Payload expected." });
    await leave(server, poller);
    await server.close();
  });
});

describe("onAccess", () => {
  test("is told of each request and of each websocket, never of a session's secret", async () => {
    const entries: AccessEntry[] = [];
    const { lines, logger } = rememberLines();
    const { port, server } = await openEcho({
      logger,
      onAccess: (entry) => void entries.push(entry),
      authorize: ({ query }) => (query.has("bad") ? reject(401, "no") : {}),
    });
    const poller = await Poller.open(port);
    await poller.send("x");
    await poller.poll("xhr");
    await new Poller(port).poll("xhr", {});
    await ask(port, "POST", `${newSession("/echo")}/xhr?bad`);
    await openFramed(server, `${newSession("/echo")}/websocket`);
    await upgrade(port, upgradeRequest(`${newSession("/echo")}/websocket?bad`));
    await until(() => entries.length === 7);
    expect(entries.map(({ type, method, path, status }) => `${type} ${method} ${path} ${status}`)).toEqual([
      "request POST /echo/xhr 200",
      "request POST /echo/xhr_send 204",
      "request POST /echo/xhr 200",
      "request POST /echo/xhr 200",
      "request POST /echo/xhr 401",
      "upgrade GET /echo 101",
      "upgrade GET /echo 401",
    ]);
    expect(JSON.stringify([entries, lines])).not.toContain("/session");
    expect(lines.map(({ line }) => line)).toContain("session refused");
  });
});
