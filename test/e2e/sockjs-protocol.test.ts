/** What the protocol of SockJS asserts, over raw sockets: rows, statuses, headers, chunks, frames and escapes. */
import { beforeEach, describe, expect, test } from "vitest";
import { Client, clientFrame, RawPeer, until, upgradeRequest } from "./peers.js";
import {
  type Answer,
  ask,
  CLIENT_URL,
  newSession,
  openEcho,
  openFramed,
  openServices,
  Poller,
  Wire,
} from "./sockjs-peers.js";

let port: number;
let server: Awaited<ReturnType<typeof openServices>>["server"];

beforeEach(async () => {
  ({ port, server } = await openServices());
});

const NO_CACHE = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const TEXT = "text/plain; charset=UTF-8";
const SCRIPT = "application/javascript; charset=UTF-8";

function expectNoCache({ headers }: Pick<Answer, "headers">): void {
  expect(headers["cache-control"]).toBe(NO_CACHE);
  expect(headers).not.toHaveProperty("expires");
  expect(headers).not.toHaveProperty("last-modified");
}

function expectCacheable({ headers }: Pick<Answer, "headers">): void {
  expect(headers["cache-control"]).toMatch(/public/);
  expect(headers["cache-control"]).toMatch(/max-age=[1-9]\d{6,}/);
  expect(Date.parse(headers.expires ?? "")).not.toBeNaN();
  expect(headers).not.toHaveProperty("last-modified");
}

function expectCors({ headers }: Pick<Answer, "headers">, origin: string): void {
  expect(headers["access-control-allow-origin"]).toBe(origin);
  expect(headers["access-control-allow-credentials"]).toBe(origin === "*" ? undefined : "true");
  expect(headers.vary).toBe("Origin");
}

function expect405(answer: Answer, allow: string): void {
  expect(answer.status).toBe(405);
  expect(answer.headers.allow).toBe(allow);
  expect(answer.headers).not.toHaveProperty("content-type");
  expect(answer.body).toBe("");
}

describe("the greeting", () => {
  test.each(["/echo", "/echo/", "/echo?x=1"])("stands at %s, without a cookie", async (path) => {
    const answer = await ask(port, "GET", path);
    expect(answer).toMatchObject({ status: 200, body: "Welcome to SockJS!\n" });
    expect(answer.headers["content-type"]).toBe(TEXT);
    expect(answer.headers).not.toHaveProperty("set-cookie");
  });

  test.each(["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "/a/a/a/a"])(
    "is not at /echo%s, where there is nothing",
    async (rest) => {
      const answer = await ask(port, "GET", `/echo${rest}`);
      expect(answer).toMatchObject({ status: 404, body: "404 Error: Page not found\n" });
      expect(answer.headers["content-type"]).toBe(TEXT);
    },
  );

  test("is not at a path that only begins with the same letters", async () => {
    expect((await ask(port, "GET", "/echox")).status).toBe(426);
    expect((await ask(port, "GET", "/echox/info")).status).toBe(426);
  });
});

describe("the iframe page", () => {
  const PAGE = [
    "<!DOCTYPE html>",
    "<html>",
    "<head>",
    '  <meta http-equiv="X-UA-Compatible" content="IE=edge" />',
    '  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />',
    `  <script src="${CLIENT_URL}"></script>`,
    "  <script>",
    "    document.domain = document.domain;",
    "    SockJS.bootstrap_iframe();",
    "  </script>",
    "</head>",
    "<body>",
    "  <h2>Don't panic!</h2>",
    "  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>",
    "</body>",
    "</html>",
  ].join("\n");

  test.each([
    "/iframe.html",
    "/iframe-a.html",
    "/iframe-.html",
    "/iframe-0.1.2.html",
    "/iframe-0.1.2abc-dirty.2144.html",
    "/iframe-a.html?t=1234",
    "/iframe-0.1.2.html?t=123414",
    "/iframe-0.1.2abc-dirty.2144.html?t=qweqweq123",
  ])("is at %s, to be kept for a year", async (name) => {
    const answer = await ask(port, "GET", `/echo${name}`);
    expect(answer.status).toBe(200);
    expect(answer.body.trim()).toBe(PAGE);
    expect(answer.headers["content-type"]).toBe("text/html; charset=UTF-8");
    expectCacheable(answer);
    expect(answer.headers.etag).toMatch(/^"[^"]+"$/);
    expect(answer.headers).not.toHaveProperty("set-cookie");
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });

  test.each([
    "/iframe.htm",
    "/iframe",
    "/IFRAME.HTML",
    "/IFRAME",
    "/iframe.HTML",
    "/iframe.xml",
    "/iframe-/.html",
    "/iframexhtml",
  ])("is not at %s", async (name) => {
    expect((await ask(port, "GET", `/echo${name}`)).status).toBe(404);
  });

  test("is not sent again to whoever has it", async () => {
    const { etag = "" } = (await ask(port, "GET", "/echo/iframe.html")).headers;
    expect((await ask(port, "GET", "/echo/iframe-1.html")).headers.etag).toBe(etag);
    for (const known of [etag, `"other", ${etag}`, `W/${etag}`, "*"]) {
      const answer = await ask(port, "GET", "/echo/iframe.html", { headers: { "If-None-Match": known } });
      expect(answer).toMatchObject({ status: 304, body: "" });
      expect(answer.headers).not.toHaveProperty("content-type");
    }
    const other = await ask(port, "GET", "/echo/iframe.html", { headers: { "If-None-Match": '"other"' } });
    expect(other.status).toBe(200);
  });
});

describe("the info", () => {
  test("says what there is, to everybody and never from a cache", async () => {
    const answer = await ask(port, "GET", "/echo/info", { headers: { Origin: "http://test" } });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json; charset=UTF-8");
    expectNoCache(answer);
    expectCors(answer, "http://test");
    expect(answer.headers).not.toHaveProperty("set-cookie");
    expect(JSON.parse(answer.body)).toEqual({
      websocket: true,
      cookie_needed: false,
      origins: ["*:*"],
      entropy: expect.any(Number),
    });
  });

  test("has another entropy of 32 bits each time", async () => {
    const numbers = new Set<number>();
    for (let i = 0; i < 10; i++) numbers.add(JSON.parse((await ask(port, "GET", "/echo/info")).body).entropy);
    expect(numbers.size).toBeGreaterThan(8);
    for (const number of numbers) expect(Number.isInteger(number) && number >= 0 && number < 2 ** 32).toBe(true);
  });

  test.each(["http://test", "null"])("may be asked for by a page of %s", async (origin) => {
    const answer = await ask(port, "OPTIONS", "/echo/info", { headers: { Origin: origin } });
    expect(answer).toMatchObject({ status: 204, body: "" });
    expectCacheable(answer);
    expectCors(answer, origin);
    expect(answer.headers["access-control-allow-methods"]).toBe("OPTIONS, GET");
    expect(Number(answer.headers["access-control-max-age"])).toBeGreaterThan(1_000_000);
  });

  test("says that there is no websocket where there is none", async () => {
    expect(JSON.parse((await ask(port, "GET", "/disabled_websocket_echo/info")).body).websocket).toBe(false);
  });

  test("says that a cookie is needed, without setting it", async () => {
    const answer = await ask(port, "GET", "/cookie_needed_echo/info");
    expect(JSON.parse(answer.body).cookie_needed).toBe(true);
    expect(answer.headers).not.toHaveProperty("set-cookie");
  });
});

describe("paths of sessions", () => {
  test.each(["/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20", "/000/=(&);'"])(
    "hold any name without dots and slashes: %s",
    async (path) => {
      expect(await ask(port, "POST", `/echo${path}/xhr`)).toMatchObject({ status: 200, body: "o\n" });
    },
  );

  test.each([
    "//xhr",
    "///xhr",
    "////xhr",
    "/a./a/xhr",
    "/a/a./xhr",
    "/././xhr",
    "/a/xhr",
    "/a/a/a/xhr",
    "/xhr",
    "/a/a/XHR",
  ])("are 404 with anything else: %s", async (path) => {
    expect((await ask(port, "GET", `/echo${path}`)).status).toBe(404);
    expect((await ask(port, "POST", `/echo${path}`)).status).toBe(404);
  });

  test("are told apart by the session alone, not by the server", async () => {
    const [, , , id] = newSession("/echo").split("/");
    expect((await ask(port, "POST", `/echo/000/${id}/xhr`)).body).toBe("o\n");
    expect((await ask(port, "POST", `/echo/000/${id}/xhr_send`, { body: '["a"]' })).status).toBe(204);
    expect((await ask(port, "POST", `/echo/999/${id}/xhr`)).body).toBe('a["a"]\n');
  });

  test("may end with one slash and have a query", async () => {
    const root = newSession("/echo");
    expect((await ask(port, "POST", `${root}/xhr/?testqs=1&t=2`)).body).toBe("o\n");
    expect((await ask(port, "POST", `${root}/xhr_send/?t=3`, { body: '["a"]' })).status).toBe(204);
    expect((await ask(port, "POST", `${root}/xhr?t=4`)).body).toBe('a["a"]\n');
    expect((await ask(port, "GET", "/echo/info/")).status).toBe(200);
    expect((await ask(port, "GET", "/echo/iframe.html/")).status).toBe(200);
  });
});

describe("a session", () => {
  test("opens, brings messages, and has one receiver at a time", async () => {
    const root = newSession("/echo");
    expect(await ask(port, "POST", `${root}/xhr`)).toMatchObject({ status: 200, body: "o\n" });
    expect(await ask(port, "POST", `${root}/xhr_send`, { body: '["a"]' })).toMatchObject({ status: 204, body: "" });
    expect(await ask(port, "POST", `${root}/xhr`)).toMatchObject({ status: 200, body: 'a["a"]\n' });
    expect((await ask(port, "POST", `${newSession("/echo")}/xhr_send`, { body: '["a"]' })).status).toBe(404);
    // Whichever comes second is turned away.
    const polls = [new Wire(port), new Wire(port)].map((wire) => wire.ask("POST", `${root}/xhr`).answer());
    expect(await Promise.race(polls)).toMatchObject({
      status: 200,
      body: 'c[2010,"Another connection still open"]\n',
    });
    await ask(port, "POST", `${root}/xhr_send`, { body: '["b"]' });
    const bodies = (await Promise.all(polls)).map(({ body }) => body);
    expect(bodies).toContain('a["b"]\n');
  });

  test("that the program closes says so to every later poll", async () => {
    const root = newSession("/close");
    expect((await ask(port, "POST", `${root}/xhr`)).body).toBe("o\n");
    for (let i = 0; i < 3; i++) expect((await ask(port, "POST", `${root}/xhr`)).body).toBe('c[3000,"Go away!"]\n');
  });
});

describe("a request that should have been an upgrade", () => {
  test("is bad without the headers of one", async () => {
    expect((await ask(port, "GET", "/echo/0/0/websocket")).status).toBe(400);
    expect((await ask(port, "GET", "/echo/websocket")).status).toBe(400);
  });

  test("is bad with a Connection header that says close", async () => {
    const headers = { Upgrade: "WebSocket", Connection: "close" };
    expect((await ask(port, "GET", "/echo/0/0/websocket", { headers })).status).toBe(400);
  });

  test.each([{}, { Upgrade: "WebSocket", Connection: "Upgrade" }])("is no POST: %j", async (headers) => {
    expect405(await ask(port, "POST", "/echo/0/0/websocket", { headers }), "GET");
    expect405(await ask(port, "POST", "/echo/websocket", { headers }), "GET");
  });
});

describe("the websocket transport", () => {
  test("frames what it carries", async () => {
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.send('["a"]');
    await until(() => client.received.length === 2);
    client.send('["b","c"]');
    client.send('"d"');
    await until(() => client.received.join().includes("d"));
    expect(client.received[0]).toBe("o");
    expect(client.received[1]).toBe('a["a"]');
    const rest = client.received.slice(2).flatMap((frame) => JSON.parse(String(frame).slice(1)));
    expect(rest).toEqual(["b", "c", "d"]);
  });

  test("closes with a frame, then the socket", async () => {
    const client = await openFramed(server, `${newSession("/close")}/websocket`);
    expect(await client.ended()).toEqual({ code: 1000, reason: "Normal closure" });
    expect(client.received).toEqual(["o", 'c[3000,"Go away!"]']);
  });

  test("shakes hands as RFC 6455 asks, also with old Firefox", async () => {
    const peer = new RawPeer(port);
    peer.write(
      upgradeRequest(`${newSession("/echo")}/websocket`).replace(
        "Connection: Upgrade",
        "Connection: keep-alive, Upgrade",
      ),
    );
    await until(() => peer.frames.length > 0);
    const head = peer.bytes.toString("latin1").split("\r\n\r\n")[0] ?? "";
    expect(head).toMatch(/^HTTP\/1.1 101 /);
    expect(head).toMatch(/^upgrade: websocket$/im);
    expect(head).toMatch(/^connection: upgrade$/im);
    expect(head).toMatch(/^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/im);
    expect(head).not.toMatch(/content-length|sec-websocket-protocol|set-cookie|access-control/i);
    expect(peer.frames[0]).toEqual({ opcode: 1, payload: Buffer.from("o") });
    peer.write(clientFrame('["a"]'));
    await until(() => peer.frames.length > 1);
    expect(peer.frames[1]?.payload.toString()).toBe('a["a"]');
    peer.socket.destroy();
  });

  test("passes over messages that say nothing", async () => {
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    for (const nothing of ["", "[]", "[]", ""]) client.send(nothing);
    client.send('["a"]');
    await until(() => client.received.length === 2);
    expect(client.received).toEqual(["o", 'a["a"]']);
  });

  test("has as many sessions at one address as there are sockets", async () => {
    const path = `${newSession("/echo")}/websocket`;
    const [ann, bob] = [await openFramed(server, path), await openFramed(server, path)];
    ann.send('["a"]');
    await until(() => ann.received.length === 2);
    bob.send('["b"]');
    await until(() => bob.received.length === 2);
    expect([ann.received, bob.received]).toEqual([
      ["o", 'a["a"]'],
      ["o", 'a["b"]'],
    ]);
    ann.ws.close();
    bob.ws.close();
    await Promise.all([ann.ended(), bob.ended()]);
    const again = await openFramed(server, path);
    again.send('["c"]');
    await until(() => again.received.length === 2);
    expect(again.received[1]).toBe('a["c"]');
  });

  test.each(['["a', "x", "{}", "1", "null", '["a",1]', "[null]", '[["a"]]', '"a', "\0", " "])(
    "ends a session that sends %s",
    async (bad) => {
      const client = await openFramed(server, `${newSession("/echo")}/websocket`);
      client.send(bad);
      expect(await client.ended()).toEqual({ code: 3000, reason: "Broken framing." });
      expect(client.received).toEqual(["o"]);
    },
  );
});

describe("the raw websocket", () => {
  test("carries messages as they are", async () => {
    const client = await Client.open(new URL("/echo/websocket", server.url).href);
    const text = "Hello world!\uffff\ud83d\ude00\u2028";
    client.send(text);
    client.send("[]");
    await until(() => client.received.length === 2);
    expect(client.received).toEqual([text, "[]"]);
  });

  test("is closed with the program's code and reason", async () => {
    const client = new Client(new URL("/close/websocket", server.url).href);
    expect(await client.ended()).toEqual({ code: 3000, reason: "Go away!" });
    expect(client.received).toEqual([]);
  });
});

describe("plain WebSocket", () => {
  test("is at the route itself", async () => {
    const client = await Client.open(new URL("/echo", server.url).href);
    client.send("as it is");
    await until(() => client.received.length === 1);
    expect(client.received).toEqual(["as it is"]);
  });
});

describe("xhr polling", () => {
  test.each(["xhr", "xhr_send", "xhr_streaming"])("may be asked for by any page: %s", async (row) => {
    for (const origin of ["http://test", "null"]) {
      const answer = await ask(port, "OPTIONS", `/echo/abc/abc/${row}`, { headers: { Origin: origin } });
      expect(answer).toMatchObject({ status: 204, body: "" });
      expectCacheable(answer);
      expectCors(answer, origin);
      expect(answer.headers["access-control-allow-methods"]).toContain("OPTIONS");
      expect(answer.headers["access-control-allow-methods"]).toContain("POST");
      expect(Number(answer.headers["access-control-max-age"])).toBeGreaterThan(1_000_000);
    }
    expect(server.stats().connections).toBe(0);
  });

  test("brings one frame an answer", async () => {
    const root = newSession("/echo");
    const headers = { Origin: "http://test" };
    const opened = await ask(port, "POST", `${root}/xhr`, { headers });
    expect(opened).toMatchObject({ status: 200, body: "o\n" });
    expect(opened.headers["content-type"]).toBe(SCRIPT);
    expectCors(opened, "http://test");
    expectNoCache(opened);
    const sent = await ask(port, "POST", `${root}/xhr_send`, { headers, body: '["x"]' });
    expect(sent).toMatchObject({ status: 204, body: "" });
    expect(sent.headers["content-type"]).toBe(TEXT);
    expectCors(sent, "http://test");
    expectNoCache(sent);
    expect(await ask(port, "POST", `${root}/xhr`)).toMatchObject({ status: 200, body: 'a["x"]\n' });
  });

  test("knows no session that nobody has opened", async () => {
    const answer = await ask(port, "POST", `${newSession("/echo")}/xhr_send`, { body: '["x"]' });
    expect(answer.status).toBe(404);
    expectCors(answer, "*");
    expect(server.stats().connections).toBe(0);
  });

  test("names what is wrong with a payload, and the session goes on", async () => {
    const { root } = await Poller.open(port);
    for (const [body, problem] of [
      ['["x', "Broken JSON encoding."],
      ["", "Payload expected."],
      ["1", "Payload expected."],
      ["{}", "Payload expected."],
      ['"x"', "Payload expected."],
    ]) {
      const answer = await ask(port, "POST", `${root}/xhr_send`, { body: body ?? "" });
      expect(answer).toMatchObject({ status: 500, body: problem });
      expect(answer.headers["content-type"]).toBe(TEXT);
      expectCors(answer, "*");
    }
    expect((await ask(port, "POST", `${root}/xhr_send`, { body: '["a"]' })).status).toBe(204);
    expect((await ask(port, "POST", `${root}/xhr`)).body).toBe('a["a"]\n');
  });

  test("takes every type that browsers have sent", async () => {
    const poller = await Poller.open(port);
    const types = [
      "text/plain",
      "T",
      "application/json",
      "application/xml",
      "text/xml",
      "",
      "text/plain; charset=utf-8",
    ];
    for (const type of types) {
      const answer = await poller.post('["a"]', { "Content-Type": type });
      expect(answer).toMatchObject({ status: 204, body: "" });
    }
    expect((await poller.post('["a"]')).status).toBe(204);
    expect((await poller.poll()).body).toBe(`a${JSON.stringify(Array(types.length + 1).fill("a"))}\n`);
  });

  test("lets a page send the headers that it asks for", async () => {
    const preflight = (headers: Record<string, string>): Promise<Answer> =>
      ask(port, "OPTIONS", `${newSession("/echo")}/xhr`, { headers: { Origin: "http://test", ...headers } });
    const asked = await preflight({ "Access-Control-Request-Headers": "a, b, c" });
    expect(asked.headers["access-control-allow-headers"]).toBe("a, b, c");
    const empty = await preflight({ "Access-Control-Request-Headers": "" });
    expect(empty.headers).not.toHaveProperty("access-control-allow-headers");
    expect((await preflight({})).headers).not.toHaveProperty("access-control-allow-headers");
  });

  test("takes an empty list for nothing", async () => {
    const poller = await Poller.open(port);
    expect((await poller.post("[]")).status).toBe(204);
    expect((await poller.send("a")).status).toBe(204);
    expect((await poller.poll()).body).toBe('a["a"]\n');
  });

  test("takes a POST that says nothing of its length for an empty one", async () => {
    const root = newSession("/echo");
    expect((await ask(port, "POST", `${root}/xhr`)).body).toBe("o\n");
    const answer = await ask(port, "POST", `${root}/xhr_send`);
    expect(answer).toMatchObject({ status: 500, body: "Payload expected." });
  });
});

describe("xhr streaming", () => {
  test("begins with 2 KiB that fill buffers, and has each frame in a chunk of its own", async () => {
    const root = newSession("/echo");
    const stream = new Wire(port).ask("POST", `${root}/xhr_streaming`, { headers: { Origin: "http://test" } });
    const head = await stream.head();
    expect(head.status).toBe(200);
    expect(head.headers["content-type"]).toBe(SCRIPT);
    expect(head.headers["transfer-encoding"]).toBe("chunked");
    expect(head.headers).not.toHaveProperty("content-length");
    expectCors(head, "http://test");
    expectNoCache(head);
    expect(await stream.chunk()).toBe(`${"h".repeat(2_048)}\n`);
    expect(await stream.chunk()).toBe("o\n");
    expect((await ask(port, "POST", `${root}/xhr_send`, { body: '["x"]' })).status).toBe(204);
    expect(await stream.chunk()).toBe('a["x"]\n');
  });

  test("ends the response when it has carried as much as the limit, and not before", async () => {
    const poller = new Poller(port);
    const stream = poller.wait("xhr_streaming");
    await stream.head();
    expect(await stream.chunk()).toHaveLength(2_049);
    expect(await stream.chunk()).toBe("o\n");
    const message = "x".repeat(128);
    for (let i = 0; i < 31; i++) {
      expect((await poller.send(message)).status).toBe(204);
      expect(await stream.chunk()).toBe(`a["${message}"]\n`);
    }
    expect(await stream.chunk()).toBe("");
    // The session goes on with the next response.
    await poller.send("more");
    expect((await poller.poll()).body).toBe('a["more"]\n');
  });
});

describe("eventsource", () => {
  test("dresses frames as events, with control characters in JSON's short forms", async () => {
    const poller = new Poller(port);
    const stream = poller.wait("eventsource");
    const head = await stream.head();
    expect(head.status).toBe(200);
    expect(head.headers["content-type"]).toBe("text/event-stream");
    expectNoCache(head);
    expect(await stream.chunk()).toBe("\r\n");
    expect(await stream.chunk()).toBe("data: o\r\n\r\n");
    await poller.post('["x"]');
    expect(await stream.chunk()).toBe('data: a["x"]\r\n\r\n');
    await poller.post('["  \\u0000\\n\\r "]');
    expect(await stream.chunk()).toBe('data: a["  \\u0000\\n\\r "]\r\n\r\n');
    await poller.post('["100%"]');
    expect(await stream.chunk()).toBe('data: a["100%25"]\r\n\r\n');
  });

  test("ends the response after one long message", async () => {
    const poller = new Poller(port);
    const stream = poller.wait("eventsource");
    await stream.head();
    expect(await stream.chunk()).toBe("\r\n");
    expect(await stream.chunk()).toBe("data: o\r\n\r\n");
    const message = "x".repeat(4_096);
    await poller.send(message);
    expect(await stream.chunk()).toBe(`data: a["${message}"]\r\n\r\n`);
    expect(await stream.chunk()).toBe("");
  });
});

const HTML_HEAD = [
  "<!doctype html>",
  "<html><head>",
  '  <meta http-equiv="X-UA-Compatible" content="IE=edge" />',
  '  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />',
  "</head><body><h2>Don't panic!</h2>",
  "  <script>",
  "    document.domain = document.domain;",
  "    var c = parent.callback;",
  "    c.start();",
  "    function p(d) {c.message(d);};",
  "    window.onload = function() {c.stop();};",
  "  </script>",
].join("\n");

describe("htmlfile", () => {
  test.each(["htmlfile?c=callback", "htmlfile?c=%63allback", "htmlfile?callback=callback"])(
    "is a page of scripts without an end: %s",
    async (row) => {
      const poller = new Poller(port);
      const stream = poller.wait(row);
      const head = await stream.head();
      expect(head.status).toBe(200);
      expect(head.headers["content-type"]).toBe("text/html; charset=UTF-8");
      expectNoCache(head);
      const first = await stream.chunk();
      expect(first.length).toBeGreaterThan(1_024);
      expect(first.trim()).toBe(HTML_HEAD);
      expect(await stream.chunk()).toBe('<script>\np("o");\n</script>\r\n');
      await poller.send("x");
      expect(await stream.chunk()).toBe('<script>\np("a[\\"x\\"]");\n</script>\r\n');
    },
  );

  test("ends the response after one long message", async () => {
    const poller = new Poller(port);
    const stream = poller.wait("htmlfile?c=callback");
    await stream.head();
    await stream.chunk();
    await stream.chunk();
    const message = "x".repeat(4_096);
    await poller.send(message);
    expect(await stream.chunk()).toBe(`<script>\np("a[\\"${message}\\"]");\n</script>\r\n`);
    expect(await stream.chunk()).toBe("");
  });
});

describe.each(["htmlfile", "jsonp"])("the callback of %s", (row) => {
  test.each(["", "?c=", "?callback=", "?x=1"])("is required: %j", async (query) => {
    const answer = await ask(port, "GET", `${newSession("/echo")}/${row}${query}`);
    expect(answer).toMatchObject({ status: 500, body: '"callback" parameter required' });
    expect(server.stats().connections).toBe(0);
  });

  test.each(["%20", "*", "abc(", "abc%28", "a&c=b", "a&c=", "%3Cscript%3E", "a+b"])(
    "is the name of a function: %s",
    async (name) => {
      const answer = await ask(port, "GET", `${newSession("/echo")}/${row}?c=${name}`);
      expect(answer).toMatchObject({ status: 500, body: 'invalid "callback" parameter' });
      expect(server.stats().connections).toBe(0);
    },
  );
});

describe("jsonp", () => {
  test("calls the page's function with each frame, and takes forms", async () => {
    const root = newSession("/echo");
    const opened = await ask(port, "GET", `${root}/jsonp?c=%63allback`);
    expect(opened).toMatchObject({ status: 200, body: '/**/callback("o");\r\n' });
    expect(opened.headers["content-type"]).toBe(SCRIPT);
    expect(opened.headers["x-content-type-options"]).toBe("nosniff");
    expectNoCache(opened);
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const sent = await ask(port, "POST", `${root}/jsonp_send?i=1`, { headers, body: "d=%5B%22x%22%5D" });
    expect(sent).toMatchObject({ status: 200, body: "ok" });
    expect(sent.headers["content-type"]).toBe(TEXT);
    expect(sent.headers["content-length"]).toBe("2");
    expectNoCache(sent);
    const polled = await ask(port, "GET", `${root}/jsonp?c=callback`);
    expect(polled.body).toBe('/**/callback("a[\\"x\\"]");\r\n');
  });

  test("has functions with names of at most 32 letters", async () => {
    const long = await ask(port, "GET", `${newSession("/echo")}/jsonp?c=${"a".repeat(33)}`);
    expect(long).toMatchObject({ status: 500, body: 'invalid "callback" parameter' });
    const name = "a".repeat(32);
    expect((await ask(port, "GET", `${newSession("/echo")}/jsonp?c=${name}`)).body).toBe(`/**/${name}("o");\r\n`);
  });

  test("names what is wrong with a payload, and the session goes on", async () => {
    const root = newSession("/echo");
    await ask(port, "GET", `${root}/jsonp?c=x`);
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    for (const [headers, body, problem] of [
      [form, "d=%5B%22x", "Broken JSON encoding."],
      [form, "", "Payload expected."],
      [form, "d=", "Payload expected."],
      [form, "p=p", "Payload expected."],
      [form, "d=1", "Payload expected."],
      [{}, '["x', "Broken JSON encoding."],
      [{}, "", "Payload expected."],
    ] as const) {
      const answer = await ask(port, "POST", `${root}/jsonp_send`, { headers, body });
      expect(answer).toMatchObject({ status: 500, body: problem });
    }
    expect((await ask(port, "POST", `${root}/jsonp_send`, { headers: form, body: "d=%5B%22b%22%5D" })).body).toBe("ok");
    expect((await ask(port, "GET", `${root}/jsonp?c=x`)).body).toBe('/**/x("a[\\"b\\"]");\r\n');
    const unknown = await ask(port, "POST", `${newSession("/echo")}/jsonp_send`, { headers: form, body: 'd=["a"]' });
    expect(unknown.status).toBe(404);
  });

  test("decodes forms, and forms alone", async () => {
    const root = newSession("/echo");
    await ask(port, "GET", `${root}/jsonp?c=x`);
    const post = (type: string, body: string): Promise<Answer> =>
      ask(port, "POST", `${root}/jsonp_send`, { headers: { "Content-Type": type }, body });
    expect((await post("application/x-www-form-urlencoded", "d=%5B%22abc%22%5D")).body).toBe("ok");
    expect((await post("application/x-www-form-urlencoded; charset=utf-8", 'd=["a+b"]')).body).toBe("ok");
    expect((await post("text/plain", '["%61bc"]')).body).toBe("ok");
    expect((await ask(port, "GET", `${root}/jsonp?c=x`)).body).toBe('/**/x("a[\\"abc\\",\\"a b\\",\\"%61bc\\"]");\r\n');
  });

  test("says to every later poll that the program has closed", async () => {
    const root = newSession("/close");
    expect((await ask(port, "GET", `${root}/jsonp?c=x`)).body).toBe('/**/x("o");\r\n');
    for (let i = 0; i < 2; i++)
      expect((await ask(port, "GET", `${root}/jsonp?c=x`)).body).toBe('/**/x("c[3000,\\"Go away!\\"]");\r\n');
  });

  test("takes an empty list for nothing", async () => {
    const root = newSession("/echo");
    await ask(port, "GET", `${root}/jsonp?c=x`);
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    expect((await ask(port, "POST", `${root}/jsonp_send`, { headers, body: "d=%5B%5D" })).body).toBe("ok");
    await ask(port, "POST", `${root}/jsonp_send`, { headers, body: "d=%5B%22x%22%5D" });
    expect((await ask(port, "GET", `${root}/jsonp?c=x`)).body).toBe('/**/x("a[\\"x\\"]");\r\n');
  });
});

describe("the cookie for load balancers", () => {
  const asked = [
    ["POST", "xhr"],
    ["POST", "xhr_streaming"],
    ["GET", "eventsource"],
    ["GET", "htmlfile?c=x"],
    ["GET", "jsonp?c=x"],
    ["POST", "xhr_send"],
    ["POST", "jsonp_send"],
    ["OPTIONS", "xhr"],
  ] as const;

  test.each(asked)("is set by each answer: %s %s", async (method, row) => {
    const cookieOf = async (headers: Record<string, string>): Promise<string | undefined> => {
      const wire = new Wire(port).ask(method, `${newSession("/cookie_needed_echo")}/${row}`, { headers });
      return (await wire.head()).headers["set-cookie"];
    };
    expect(await cookieOf({})).toBe("JSESSIONID=dummy; path=/");
    expect(await cookieOf({ Cookie: "JSESSIONID=abcdef" })).toBe("JSESSIONID=abcdef; path=/");
    expect(await cookieOf({ Cookie: "a=1; JSESSIONID=x y; XJSESSIONID=2" })).toBe("JSESSIONID=x y; path=/");
    expect(await cookieOf({ Cookie: "XJSESSIONID=2" })).toBe("JSESSIONID=dummy; path=/");
  });

  test.each(asked)("is not set unless it is needed: %s %s", async (method, row) => {
    const wire = new Wire(port).ask(method, `${newSession("/echo")}/${row}`);
    expect((await wire.head()).headers).not.toHaveProperty("set-cookie");
  });

  test.each(["", "/info", "/iframe.html"])("is not set by what belongs to no session: %s", async (rest) => {
    expect((await ask(port, "GET", `/cookie_needed_echo${rest}`)).headers).not.toHaveProperty("set-cookie");
  });
});

/** What the server has to escape, by ranges. */
const FRAGILE = [
  [0x00, 0x1f],
  [0x200c, 0x200f],
  [0x2028, 0x202f],
  [0x2060, 0x206f],
  [0xd800, 0xdfff],
  [0xfff0, 0xffff],
] as const;

describe("escapes", () => {
  const units = FRAGILE.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));

  test("keep fragile characters in lower-case JSON on their way out", async () => {
    const poller = await Poller.open(port);
    const beyondControls = units.filter((unit) => unit > 0x1f);
    // JSON for the server, in which lone surrogates can stand at all.
    const body = `["${beyondControls.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"]`;
    await poller.post(body);
    expect((await poller.poll()).body).toBe(`a${body}\n`);
  });

  test("use the short forms of controls, and bring pairs of surrogates through", async () => {
    const poller = await Poller.open(port);
    await poller.post(JSON.stringify(["\b\t\n\f\r\u0000\u001f\u007f", '"\\/', "\u{1f600}é"]));
    expect((await poller.poll()).body).toBe('a["\\b\\t\\n\\f\\r\\u0000\\u001f\u007f","\\"\\\\/","\\ud83d\\ude00é"]\n');
  });

  test("of clients are read back as what they stand for", async () => {
    const poller = await Poller.open(port);
    const text = String.fromCharCode(...Array.from({ length: 0x600 }, (_, i) => i), ...units);
    const body = [...text].map((c) => [...Array(c.length).keys()].map((i) => hex(c.charCodeAt(i))).join("")).join("");
    await poller.post(`["${body}"]`);
    expect(JSON.parse((await poller.poll()).body.slice(1))).toEqual([text]);
  });

  function hex(unit: number): string {
    return `\\u${unit.toString(16).padStart(4, "0")}`;
  }

  test("are made in reasons, too", async () => {
    const reason = "\u2028</script>\ud83d\ude00";
    const other = await openEcho({
      handler(event) {
        if (event.type === "open") event.connection.close(3000, reason);
      },
    });
    const poller = await Poller.open(other.port);
    expect((await poller.poll()).body).toBe('c[3000,"\\u2028</script>\\ud83d\\ude00"]\n');
  });
});

describe("the end of a response", () => {
  test("comes with the close frame, and a later request gets the same frame, not 2010", async () => {
    const root = newSession("/close");
    const first = new Wire(port).ask("POST", `${root}/xhr_streaming`);
    await first.head();
    expect(await first.chunk()).toHaveLength(2_049);
    expect(await first.chunk()).toBe("o\n");
    expect(await first.chunk()).toBe('c[3000,"Go away!"]\n');
    const second = new Wire(port).ask("POST", `${root}/xhr_streaming`);
    await second.head();
    expect(await second.chunk()).toHaveLength(2_049);
    expect(await second.chunk()).toBe('c[3000,"Go away!"]\n');
    expect(await first.chunk()).toBe("");
    expect(await second.chunk()).toBe("");
  });

  test("comes at once to a second receiver", async () => {
    const root = newSession("/echo");
    const first = new Wire(port).ask("POST", `${root}/xhr_streaming`);
    await first.head();
    await first.chunk();
    expect(await first.chunk()).toBe("o\n");
    const second = new Wire(port).ask("POST", `${root}/xhr_streaming`);
    await second.head();
    expect(await second.chunk()).toHaveLength(2_049);
    expect(await second.chunk()).toBe('c[2010,"Another connection still open"]\n');
    expect(await second.chunk()).toBe("");
    // The first one is undisturbed.
    await ask(port, "POST", `${root}/xhr_send`, { body: '["still here"]' });
    expect(await first.chunk()).toBe('a["still here"]\n');
  });

  test.each(["xhr_streaming", "xhr"])("by the network ends the session: %s", async (row) => {
    const poller = row === "xhr" ? await Poller.open(port) : new Poller(port);
    const waiting = poller.wait(row);
    if (row === "xhr_streaming") {
      await waiting.head();
      await waiting.chunk();
      expect(await waiting.chunk()).toBe("o\n");
      waiting.cut();
    } else waiting.leave();
    await until(() => server.stats().connections === 0);
    expect((await poller.poll()).body).toBe('c[1002,"Connection interrupted"]\n');
    expect((await poller.send("x")).status).toBe(404);
  });
});

describe("HTTP/1.0", () => {
  test("is answered with a length or the end of the connection", async () => {
    const wire = new Wire(port).ask("GET", "/echo", { version: "1.0", headers: { Connection: "Keep-Alive" } });
    const head = await wire.head();
    expect(head.headers).not.toHaveProperty("transfer-encoding");
    expect(await wire.body()).toBe("Welcome to SockJS!\n");
    if (head.headers.connection?.toLowerCase() === "close" || head.headers["content-length"] === undefined)
      await wire.toEnd();
    else expect(head.headers["content-length"]).toBe("19");
  });

  test("streams without a length, without chunks, to the end of the connection", async () => {
    const wire = new Wire(port).ask("POST", `${newSession("/close")}/xhr_streaming`, { version: "1.0" });
    const head = await wire.head();
    expect(head.headers).not.toHaveProperty("transfer-encoding");
    expect(head.headers).not.toHaveProperty("content-length");
    expect(await wire.toEnd()).toBe(`${"h".repeat(2_048)}\no\nc[3000,"Go away!"]\n`);
  });

  test("polls", async () => {
    const answer = await ask(port, "POST", `${newSession("/echo")}/xhr`, { version: "1.0" });
    expect(answer.body).toBe("o\n");
    expect(answer.headers).not.toHaveProperty("transfer-encoding");
  });
});

describe("HTTP/1.1", () => {
  test("keeps a connection for the next request", async () => {
    const wire = new Wire(port);
    for (let i = 0; i < 3; i++) {
      const answer = await wire.ask("GET", "/echo").answer();
      expect(answer.body).toBe("Welcome to SockJS!\n");
      expect(answer.headers.connection?.toLowerCase()).not.toBe("close");
    }
    expect(wire.isEnded).toBe(false);
  });

  test("streams in chunks, to the last one", async () => {
    const wire = new Wire(port).ask("POST", `${newSession("/close")}/xhr_streaming`);
    const head = await wire.head();
    expect(head.headers["transfer-encoding"]).toBe("chunked");
    expect(head.headers).not.toHaveProperty("content-length");
    expect(await wire.chunk()).toBe(`${"h".repeat(2_048)}\n`);
    expect(await wire.chunk()).toBe("o\n");
    expect(await wire.chunk()).toBe('c[3000,"Go away!"]\n');
    expect(await wire.chunk()).toBe("");
  });
});
