/** What the port answers to everything that is no good upgrade: pages, plain HTTP, garbage, and peers that do not stay. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Handling, type Server, type ServerOptions, serve } from "sendall";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Client, RawPeer, until, upgradeRequest } from "./peers.js";

/** A server on real sockets, closed when the test is over. */
async function open(options: ServerOptions & Partial<Handling> = {}): Promise<Server> {
  const { handler = () => {}, routes, ...others } = options;
  const handling: Handling = routes === undefined ? { handler } : { routes };
  const server = await serve({ port: 0, logger: false, ...others, ...handling });
  onTestFinished(() => server.close());
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function readAnswer(text: string): Answer {
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const rest = text.slice(end + 4);
  const body = headers["transfer-encoding"] === "chunked" ? joinChunks(rest) : rest;
  return { status: Number(first.split(" ")[1]), headers, body };
}

/** RFC 9112 section 7.1. */
function joinChunks(text: string): string {
  const start = text.indexOf("\r\n") + 2;
  const length = Number.parseInt(text, 16);
  return length > 0 ? text.slice(start, start + length) + joinChunks(text.slice(start + length + 2)) : "";
}

/** Writes bytes as they are, and reads until the server ends the connection. */
async function exchange(server: Server, bytes: string | Buffer): Promise<Answer> {
  const peer = new RawPeer(server.port);
  peer.write(bytes);
  await until(() => peer.isEnded);
  return readAnswer(peer.bytes.toString("latin1"));
}

/** Asks for a path as it stands: no client tidies it up. */
function ask(server: Server, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const lines = Object.entries({ Host: "127.0.0.1", Connection: "close", ...headers }).map(
    ([k, v]) => `${k}: ${v}\r\n`,
  );
  return exchange(server, `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

/** A good upgrade, but for what is replaced in it. */
function badUpgrade(good: string | RegExp, bad: string): string {
  const request = upgradeRequest("/chat");
  expect(request).toMatch(good);
  return request.replace(good, bad);
}

/** The native handles that are open, but for those of the test runner. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
}

/** Holds a port, as another program would. */
async function holdPort(port = 0): Promise<{ readonly port: number; readonly holder: TcpServer }> {
  const holder = createTcpServer().listen(port, "127.0.0.1");
  await once(holder, "listening");
  const address = holder.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return { port: address.port, holder };
}

async function letGo(holder: TcpServer): Promise<void> {
  holder.close();
  await once(holder, "close");
}

describe("a folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "sendall-static-"));
  const root = join(folder, "public");
  const socketFile = createTcpServer();

  beforeAll(async () => {
    const files = {
      "index.html": "<p>home</p>",
      "style.css": "p {}",
      "script.js": "1;",
      "data.json": "{}",
      "ü b.txt": "umlaut",
      "sub/index.html": "<p>sub</p>",
      ".env": "SECRET",
      ".git/config": "SECRET",
      "sub/.hidden": "SECRET",
      ".well-known/security.txt": "public",
    };
    for (const path of ["sub", ".git", ".well-known"]) mkdirSync(join(root, path), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
    writeFileSync(join(folder, "secret.txt"), "SECRET");
    // It can be found but not be opened, not even by root.
    socketFile.listen(join(root, "unreadable.txt"));
    await once(socketFile, "listening");
  });

  afterAll(async () => {
    await letGo(socketFile);
    rmSync(folder, { recursive: true });
  });

  test("is served with its index and the types of its files", async () => {
    const server = await open({ static: root });
    for (const [path, type, body] of [
      ["/", "text/html;charset=utf-8", "<p>home</p>"],
      ["/?q=1", "text/html;charset=utf-8", "<p>home</p>"],
      ["/index.html", "text/html;charset=utf-8", "<p>home</p>"],
      ["/sub/", "text/html;charset=utf-8", "<p>sub</p>"],
      ["/style.css", "text/css", "p {}"],
      ["/script.js", "text/javascript", "1;"],
      ["/data.json", "application/json", "{}"],
      ["/%C3%BC%20b.txt", "text/plain", "umlaut"],
      ["/.well-known/security.txt", "text/plain", "public"],
    ] as const) {
      const answer = await ask(server, path);
      expect([path, answer.status, answer.headers["content-type"], answer.body]).toEqual([path, 200, type, body]);
      expect(answer.headers["content-length"]).toBe(String(body.length));
    }
  });

  test("is served by HEAD without the bodies", async () => {
    const server = await open({ static: root });
    const { status, headers, body } = await ask(server, "/", {}, "HEAD");
    expect([status, headers["content-length"], headers["content-type"], body]).toEqual([
      200,
      "11",
      "text/html;charset=utf-8",
      "",
    ]);
  });

  test("is answered with 304 to who has the file, and with the file once it has changed", async () => {
    const server = await open({ static: root });
    const path = join(root, "changing.txt");
    writeFileSync(path, "old");
    onTestFinished(() => unlinkSync(path));
    const { etag = "" } = (await ask(server, "/changing.txt")).headers;
    expect(etag).not.toBe("");
    const again = await ask(server, "/changing.txt", { "If-None-Match": etag });
    expect([again.status, again.body]).toEqual([304, ""]);
    expect((await ask(server, "/changing.txt", { "If-None-Match": 'W/"other"' })).status).toBe(200);
    writeFileSync(path, "new and longer");
    const changed = await ask(server, "/changing.txt", { "If-None-Match": etag });
    expect([changed.status, changed.body]).toEqual([200, "new and longer"]);
  });

  test("is answered with 304 by any of several tags, or by the time of the file where no tag is named", async () => {
    const server = await open({ static: root });
    const { etag = "", "last-modified": modified = "" } = (await ask(server, "/data.json")).headers;
    const later = new Date(Date.parse(modified) + 1_000).toUTCString();
    const before = new Date(Date.parse(modified) - 1_000).toUTCString();
    for (const [headers, status] of [
      [{ "If-None-Match": `"other", ${etag}` }, 304],
      [{ "If-None-Match": etag.replace("W/", "") }, 304],
      [{ "If-None-Match": "*" }, 304],
      [{ "If-Modified-Since": modified }, 304],
      [{ "If-Modified-Since": later }, 304],
      [{ "If-Modified-Since": before }, 200],
      [{ "If-Modified-Since": "not a date" }, 200],
      [{ "If-Modified-Since": modified, "If-None-Match": '"other"' }, 200],
    ] as const) {
      const answer = await ask(server, "/data.json", headers);
      expect([headers, answer.status, answer.body]).toEqual([headers, status, status === 304 ? "" : "{}"]);
      expect([answer.headers.etag, answer.headers["cache-control"]]).toEqual([etag, "no-cache"]);
    }
  });

  test.each([
    "/.env",
    "/%2eenv",
    "/%2Eenv?x",
    "/.git/config",
    "/sub/.hidden",
    "/sub/../.env",
    "/.well-known/../.env",
    "/.",
    "/..",
    "/../secret.txt",
    "/sub/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "//../secret.txt",
    "/index.html%00.txt",
    "/%2e%2e/%zz",
    "//etc/passwd",
    "/%2fetc/passwd",
  ])("is not left, and its hidden files are not shown: %s", async (path) => {
    const server = await open({ static: root });
    const { status, body } = await ask(server, path);
    expect([status, /SECRET|root:/.test(body)]).toEqual([404, false]);
  });

  test("is served in whole files: a range is ignored", async () => {
    const server = await open({ static: root });
    for (const range of ["bytes=0-2", "bytes=5-1", "bytes=100-", "bytes=-1", "nonsense"]) {
      const { status, headers, body } = await ask(server, "/", { Range: range });
      expect([range, status, headers["content-range"], body]).toEqual([range, 200, undefined, "<p>home</p>"]);
    }
  });

  test("does not take the server down with a file that cannot be read, or leads in a circle", async () => {
    const server = await open({ static: root });
    symlinkSync(join(root, "circle.txt"), join(root, "circle.txt"));
    onTestFinished(() => unlinkSync(join(root, "circle.txt")));
    const unreadable = await ask(server, "/unreadable.txt");
    expect(unreadable.body).toBe("");
    expect((await ask(server, "/circle.txt")).status).toBe(404);
    expect((await ask(server, "/")).status).toBe(200);
  });

  test("follows links within the folder, and none out of it", async () => {
    const server = await open({ static: root });
    const links = { "inside.html": join(root, "index.html"), "outside.txt": join(folder, "secret.txt"), up: folder };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
    onTestFinished(() => {
      for (const name of Object.keys(links)) unlinkSync(join(root, name));
    });
    const status = async (path: string): Promise<number | undefined> => (await ask(server, path)).status;
    expect(await status("/inside.html")).toBe(200);
    for (const path of ["/outside.txt", "/up/secret.txt", "/up/", "/up%2Fsecret.txt"])
      expect(await status(path)).toBe(404);
  });

  test("is on the port of the sockets", async () => {
    const server = await open({
      static: root,
      routes: { "/chat": { handler: (event, bus) => void (event.type === "message" && bus.sendall(event.text)) } },
    });
    const client = await Client.open(`${server.url}chat`);
    expect((await ask(server, "/")).body).toBe("<p>home</p>");
    client.send("hello");
    await until(() => client.received.length === 1);
    expect(client.received).toEqual(["hello"]);
    expect((await ask(server, "/chat")).status).toBe(426);
    expect((await ask(server, "/missing")).status).toBe(404);
  });

  test("is served also where an upgrade has no handler and is refused", async () => {
    const server = await open({ static: root, routes: { "/chat": { handler() {} } } });
    for (const path of ["/", "/index.html"]) {
      const refusal = await exchange(server, badUpgrade("/chat", path));
      expect([refusal.status, refusal.body.trim()]).toEqual([404, `there is no route ${path}`]);
      expect(await ask(server, path)).toMatchObject({ status: 200, body: "<p>home</p>" });
    }
    expect(server.stats()).toMatchObject({ refused: 2, connections: 0 });
  });

  test("is only read", async () => {
    const server = await open({ static: root });
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers } = await ask(server, "/", { "Content-Length": "0" }, method);
      expect([method, status, headers.allow]).toEqual([method, 405, "GET, HEAD"]);
    }
  });
});

describe("plain HTTP without a folder", () => {
  test("is answered with 426 to GET and HEAD, and with 405 to the rest", async () => {
    const server = await open();
    const get = await ask(server, "/any/path");
    expect([get.status, get.headers.upgrade, get.body.trim()]).toEqual([
      426,
      "websocket",
      "this is a WebSocket server: upgrade",
    ]);
    const head = await ask(server, "/", {}, "HEAD");
    expect([head.status, head.headers.upgrade, head.body]).toEqual([426, "websocket", ""]);
    const post = await ask(server, "/", { "Content-Length": "0" }, "POST");
    expect([post.status, post.headers.allow, post.body.trim()]).toEqual([
      405,
      "GET, HEAD",
      "POST is not answered here",
    ]);
  });
});

describe("what is no HTTP", () => {
  test.each([
    ["words", Buffer.from("hello, is anybody there?\r\n\r\n")],
    ["the beginning of TLS", Buffer.from("16030100c8010000c40303", "hex")],
    ["a request without a host", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["another protocol", Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
    ["a header with a line break in it", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n")],
  ])("is answered with 400: %s", async (_what, bytes) => {
    const server = await open();
    expect((await exchange(server, bytes)).status).toBe(400);
    expect((await ask(server, "/")).status).toBe(426);
  });

  test("is answered with 431 if it is a head that is too large", async () => {
    const server = await open();
    const { status, body } = await exchange(
      server,
      upgradeRequest().replace("Host:", `X-Long: ${"x".repeat(20_000)}\r\nHost:`),
    );
    expect([status, body.trim()]).toEqual([431, "the request's head is too large"]);
  });
});

describe("a bad upgrade", () => {
  const routes = { "/chat": { handler() {} } };
  const key = /Sec-WebSocket-Key: .*\r\n/;
  const version = /Sec-WebSocket-Version: .*\r\n/;
  const noKey = "the Sec-WebSocket-Key header is missing or not 16 bytes in base64";
  const noVersion = "the Sec-WebSocket-Version header is not 13";
  // What browsers sent before RFC 6455: the one with a challenge in headers and eight bytes of body, the other without any.
  const DRAFT_76 =
    "Origin: http://127.0.0.1\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n";
  const DRAFT_75 = "Origin: http://127.0.0.1\r\nWebSocket-Protocol: sample\r\n";

  test.each<[what: string, good: string | RegExp, bad: string, status: number, cause: string]>([
    ["the method POST", "GET", "POST", 405, "an upgrade is a GET, not a POST"],
    ["HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 400, "an upgrade needs HTTP/1.1"],
    ["no host", /Host: .*\r\n/, "", 400, "the Host header is missing"],
    ["two hosts", /Host: .*\r\n/, "Host: a\r\nHost: b\r\n", 400, "there is more than one Host header"],
    ["1,000 headers", key, `$&${"W: b\r\n".repeat(1_000)}`, 431, "the request has too many headers"],
    ["no key", key, "", 400, noKey],
    ["a short key", key, "Sec-WebSocket-Key: c2hvcnQ=\r\n", 400, noKey],
    ["a long key", key, `Sec-WebSocket-Key: ${"A".repeat(24)}==\r\n`, 400, noKey],
    ["a key that is no base64", key, `Sec-WebSocket-Key: ${"*".repeat(22)}==\r\n`, 400, noKey],
    ["no version", version, "", 426, noVersion],
    ["version 12", version, "Sec-WebSocket-Version: 12\r\n", 426, noVersion],
    ["version 7", version, "Sec-WebSocket-Version: 7\r\n", 426, noVersion],
    ["version 8", version, "Sec-WebSocket-Version: 8\r\n", 426, noVersion],
    ["version 99", version, "Sec-WebSocket-Version: 99\r\n", 426, noVersion],
    ["the keys of draft 76", new RegExp(`${key.source}${version.source}`), DRAFT_76, 400, noKey],
    ["nothing but the words of draft 75", new RegExp(`${key.source}${version.source}`), DRAFT_75, 400, noKey],
    ["an unknown path", "/chat", "/elsewhere?x=1", 404, "there is no route /elsewhere"],
  ])("with %s is refused with a line that names the cause", async (_what, good, bad, status, cause) => {
    const server = await open({ routes });
    const answer = await exchange(server, badUpgrade(good, bad));
    expect([answer.status, answer.body.trim()]).toEqual([status, cause]);
    expect(answer.headers.connection).toBe("close");
    expect(Number(answer.headers["content-length"])).toBe(answer.body.length);
    expect(answer.headers["sec-websocket-version"]).toBe(status === 426 ? "13" : undefined);
    expect(answer.headers.allow).toBe(status === 405 ? "GET" : undefined);
    expect([server.stats().refused, server.stats().connections]).toEqual([1, 0]);
  });

  test.each([
    ["Upgrade", /Upgrade: websocket\r\n/],
    ["Connection", /Connection: Upgrade\r\n/],
    ["Upgrade and Connection", /Upgrade: websocket\r\nConnection: Upgrade\r\n/],
  ])("without %s is none: it is a plain request, and told to upgrade", async (_what, header) => {
    const server = await open({ routes });
    const answer = await exchange(server, badUpgrade(header, ""));
    expect([answer.status, answer.headers.upgrade]).toEqual([426, "websocket"]);
    expect(server.stats()).toMatchObject({ refused: 0, connections: 0 });
  });

  test("is not bad for the case of its words", async () => {
    const server = await open({ routes });
    const peer = new RawPeer(server.port);
    peer.write(
      badUpgrade(/Upgrade: websocket\r\nConnection: Upgrade/, "upgrade: WebSocket\r\nconnection: keep-alive, upgrade"),
    );
    await until(() => peer.bytes.includes("\r\n\r\n"));
    expect(readAnswer(peer.bytes.toString()).status).toBe(101);
    peer.socket.destroy();
  });

  test("does not end the process when its peer resets the connection at once", async () => {
    const server = await open({ routes });
    const requests = [
      badUpgrade("/chat", "/elsewhere"),
      badUpgrade(key, ""),
      upgradeRequest("/chat"),
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "nonsense\r\n\r\n",
      "GET / HT",
    ];
    const peers = Array.from({ length: 70 }, () => new RawPeer(server.port));
    await Promise.all(peers.map(({ socket }) => once(socket, "connect")));
    for (const [i, { socket }] of peers.entries()) {
      socket.write(requests[i % requests.length] ?? "");
      socket.resetAndDestroy();
    }
    await until(() => peers.every(({ isEnded }) => isEnded));
    expect((await exchange(server, badUpgrade("/chat", "/elsewhere"))).status).toBe(404);
    await until(() => server.stats().connections === 0);
  });

  test("does not keep the socket of a peer that leaves its half open", async () => {
    const server = await open({ routes });
    const peer = new RawPeer(server.port);
    peer.socket.allowHalfOpen = true;
    peer.write(badUpgrade("/chat", "/elsewhere"));
    await until(() => peer.bytes.length > 0);
    await server.close();
    peer.socket.destroy();
  });
});

describe("a port", () => {
  test("in use is LISTEN_FAILED with the system's error, and nothing is left", async () => {
    const { port, holder } = await holdPort();
    const before = handles();
    const stopped: string[] = [];
    const handler = { init: () => 0, handle() {}, stop: () => void stopped.push("stop") };
    await expect(serve({ port, logger: false, handler })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(`cannot listen on 127.0.0.1:${port}`),
      cause: { code: "EADDRINUSE" },
    });
    expect(stopped).toEqual(["stop"]);
    await until(() => handles() <= before);
    await letGo(holder);
  });

  test("of an address that is not ours is LISTEN_FAILED, too", async () => {
    await expect(serve({ host: "203.0.113.1", port: 0, logger: false, handler() {} })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      cause: { code: "EADDRNOTAVAIL" },
    });
  });

  test("is free when init has failed", async () => {
    const { port, holder } = await holdPort();
    await letGo(holder);
    const before = handles();
    const init = async (): Promise<never> => {
      throw new Error("no database");
    };
    await expect(serve({ port, logger: false, handler: { init, handle() {} } })).rejects.toThrow("no database");
    await until(() => handles() <= before);
    await letGo((await holdPort(port)).holder);
  });

  test("is not even taken when an option is refused", async () => {
    const { port, holder } = await holdPort();
    await letGo(holder);
    const before = handles();
    for (const wrong of [{ maxPayloadBytes: -1 }, { static: "/no/such/folder" }, { tls: {} }])
      await expect(serve({ port, logger: false, handler() {}, ...wrong })).rejects.toMatchObject({
        code: "BAD_OPTION",
        option: Object.keys(wrong)[0],
      });
    await until(() => handles() <= before);
    await letGo((await holdPort(port)).holder);
  });

  test("is free when the server has closed, whoever was there, and nothing is left", async () => {
    const before = handles();
    const server = await serve({ port: 0, logger: false, handler() {} });
    const { port } = server;
    expect(server.url).toBe(`ws://127.0.0.1:${port}/`);
    const client = await Client.open(server.url);
    const idle = new RawPeer(port);
    const asking = new RawPeer(port);
    await Promise.all([once(idle.socket, "connect"), once(asking.socket, "connect")]);
    asking.write("GET / HT");
    const closing = server.close();
    expect(server.close()).toBe(closing);
    await closing;
    await until(() => idle.isEnded && asking.isEnded);
    expect(await client.ended()).toEqual({ code: 1001, reason: "going away" });
    await until(() => handles() <= before);
    await letGo((await holdPort(port)).holder);
  });

  test("is the one that was asked for, on the address that was asked for", async () => {
    const { port, holder } = await holdPort();
    await letGo(holder);
    const server = await open({ host: "localhost", port });
    expect([server.port, server.url]).toEqual([port, `ws://localhost:${port}/`]);
    const client = await Client.open(server.url);
    expect(client.closed).toBeUndefined();
  });
});
