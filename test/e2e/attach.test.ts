/** `attach`: our upgrades on somebody else's HTTP server, which keeps its routes, its other upgrades and its life. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type AttachOptions, attach, type ServeOptions, type ServerOptions } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { answerTo, Doorkeeper, upgradeWith } from "./asking.js";
import { Client, RawPeer, until, upgradeRequest } from "./peers.js";

/** A host with one route of its own. */
async function openHost(
  listener: RequestListener = (_request, response) => void response.end("the host"),
): Promise<HttpServer> {
  const host = createServer(listener).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  return host;
}

function portOf(host: HttpServer): number {
  const address = host.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function attachTo(host: HttpServer, options: AttachOptions) {
  const server = await attach(host, { logger: false, ...options });
  onTestFinished(() => server.close());
  return server;
}

const echo: NonNullable<ServeOptions["handler"]> = (event, bus) => {
  if (event.type === "message") bus.unicast(event.data, event.connection);
};

async function sayHello(url: string): Promise<Client> {
  const client = await Client.open(url);
  client.send("hello");
  await until(() => client.received.length === 1);
  expect(client.received).toEqual(["hello"]);
  return client;
}

test("the host's requests go to the host, and upgrades come to us", async () => {
  const host = await openHost();
  const server = await attachTo(host, { routes: { "/chat": { handler: echo } } });
  expect([server.port, server.url]).toEqual([portOf(host), `ws://127.0.0.1:${portOf(host)}/`]);
  await sayHello(`${server.url}chat`);
  expect(await (await fetch(`http://127.0.0.1:${server.port}/chat`)).text()).toBe("the host");
});

test.each([
  ["before its host listens is logged with its paths", false, { msg: "attached", paths: ["/chat"] }],
  [
    "to a host that listens is logged with its address",
    true,
    { msg: "listening", url: expect.stringMatching(/:[1-9]\d*\/$/) },
  ],
] as const)("a server attached %s", async (_title, isListening, expected) => {
  const entries: unknown[] = [];
  const host = isListening ? await openHost() : createServer();
  const logger = pino({ level: "info" }, { write: (line: string) => entries.push(JSON.parse(line)) });
  await attachTo(host, { logger, routes: { "/chat": { handler: echo } } });
  expect(entries).toEqual([expect.objectContaining(expected)]);
  expect(Object.hasOwn(Object(entries[0]), "url")).toBe(isListening);
});

test("a server may be attached before its host listens", async () => {
  const host = createServer();
  const server = await attachTo(host, { handler: echo });
  await once(host.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void host.close());
  await sayHello(server.url);
});

test("a host with TLS makes it wss", async () => {
  const { cert, key } = makeCertificate("host");
  const host = createTlsServer({ cert, key }).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => void host.close());
  const server = await attach(host, { logger: false, handler: echo });
  onTestFinished(() => server.close());
  expect(server.url).toBe(`wss://127.0.0.1:${server.port}/`);
});

describe("an upgrade that no route matches", () => {
  test("is 404 if nobody else listens for upgrades, and told like every refusal", async () => {
    const host = await openHost();
    const seen: unknown[] = [];
    const onAccess: ServeOptions["onAccess"] = ({ type, path, status }) => void seen.push([type, path, status]);
    const server = await attachTo(host, { onAccess, routes: { "/chat": { handler: echo } } });
    const answer = await answerTo(server.port, upgradeRequest("/other?x"));
    expect([answer.status, answer.body]).toEqual([404, "there is no route /other"]);
    expect([seen, server.stats().refused]).toEqual([[["upgrade", "/other", 404]], 1]);
  });

  test.each(["before", "after"])("is left alone if another upgrade listener was there %s us", async (when) => {
    const host = await openHost();
    const theirs = (): void => {
      host.on("upgrade", (request, socket) => {
        if (request.url === "/theirs") socket.end("HTTP/1.1 418 Theirs\r\nConnection: close\r\n\r\n");
      });
    };
    if (when === "before") theirs();
    const server = await attachTo(host, { routes: { "/chat": { handler: echo } } });
    if (when === "after") theirs();
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest("/theirs"));
    await until(() => peer.bytes.length > 0);
    expect(peer.bytes.toString()).toBe("HTTP/1.1 418 Theirs\r\nConnection: close\r\n\r\n");
    await sayHello(`${server.url}chat`);
    expect(server.stats().refused).toBe(0);
    peer.socket.destroy();
  });

  test("is 404 if all who listen are servers like ours, of which each gets what is its own", async () => {
    const host = await openHost();
    const [a, b] = [
      await attachTo(host, { routes: { "/a": { handler: echo } } }),
      await attachTo(host, { routes: { "/b": { handler: echo } } }),
    ];
    await sayHello(`${a.url}a`);
    await sayHello(`${a.url}b`);
    expect([a.stats().connections, b.stats().connections]).toEqual([1, 1]);
    expect((await answerTo(a.port, upgradeRequest("/c"))).status).toBe(404);
    expect(a.stats().refused + b.stats().refused).toBe(1);
    await a.close();
    expect((await answerTo(b.port, upgradeRequest("/a"))).status).toBe(404);
    await sayHello(`${b.url}b`);
  });
});

test("a peer that resets its connection while it is decided does not end the host", async () => {
  const host = await openHost();
  const door = new Doorkeeper();
  const server = await attachTo(host, { authorize: door.authorize, handler: echo });
  for (let i = 1; i <= 5; i++) {
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const { request, answer } = await door.nth(i);
    peer.socket.resetAndDestroy();
    await until(() => request.signal.aborted);
    answer({});
  }
  expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe("the host");
  expect(server.stats().connections).toBe(0);
});

describe("close", () => {
  test("leaves the host running, which gets the upgrades of later", async () => {
    const host = await openHost();
    const server = await attachTo(host, { handler: echo });
    const client = await sayHello(server.url);
    await server.close();
    expect(await client.ended()).toEqual({ code: 1001, reason: "going away" });
    expect(host.listenerCount("upgrade")).toBe(0);
    expect(await (await fetch(`http://127.0.0.1:${portOf(host)}/`)).text()).toBe("the host");
    const again = await attachTo(host, { handler: echo });
    await sayHello(again.url);
  });

  test("answers upgrades with 503 until everybody has gone", async () => {
    const host = await openHost();
    let finish = (): void => {};
    const server = await attachTo(host, {
      async handler(event) {
        if (event.type !== "message") return;
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        event.connection.send("done");
      },
    });
    const client = await Client.open(server.url);
    client.send("work");
    await until(() => server.stats().received.messages === 1);
    const closing = server.close();
    const answer = await answerTo(server.port, upgradeRequest());
    expect([answer.status, answer.body]).toEqual([503, "the server is closing"]);
    finish();
    await closing;
    expect([client.received, (await client.ended()).code]).toEqual([["done"], 1001]);
  });
});

describe("server.middleware", () => {
  /** A host that mounts us as Express does. */
  async function mount(options: Pick<ServerOptions, "static" | "onRequest" | "onAccess" | "logger">) {
    const host = await openHost((request, response) => {
      server.middleware(request, response, () => response.writeHead(404).end("not ours"));
    });
    const server = await attachTo(host, { ...options, routes: { "/chat": { handler: echo } } });
    return async (path: string): Promise<[number, string]> => {
      const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return [answer.status, await answer.text()];
    };
  }

  test("serves the files of static, and passes on what is none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sendall-attach-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "page.html"), "<p>page</p>");
    const get = await mount({ static: folder });
    expect(await get("/page.html")).toEqual([200, "<p>page</p>"]);
    expect(await get("/missing")).toEqual([404, "not ours"]);
    expect(await get("/chat")).toEqual([404, "not ours"]);
  });

  test("asks onRequest, guarded", async () => {
    const get = await mount({
      onRequest(request, response) {
        if (request.url === "/bad") throw new Error("bad");
        response.end("from onRequest");
      },
    });
    expect(await get("/x")).toEqual([200, "from onRequest"]);
    expect(await get("/bad")).toEqual([500, "onRequest failed"]);
  });

  test("passes everything on where there is nothing to serve", async () => {
    expect(await (await mount({}))("/")).toEqual([404, "not ours"]);
  });
});

describe("a bad call", () => {
  test.each([
    ["host", "127.0.0.1"],
    ["port", 8080],
    ["backlog", 5],
    ["tls", {}],
  ])("with the listener's option %s is BAD_OPTION, and leaves the host alone", async (option, value) => {
    const host = await openHost();
    const options = { handler() {}, [option]: value } as unknown as ServeOptions;
    await expect(attach(host, options)).rejects.toMatchObject({
      code: "BAD_OPTION",
      option,
      message: expect.stringMatching(new RegExp(`^${option}: `)),
    });
    expect(host.listenerCount("upgrade")).toBe(0);
  });

  test.each([
    ["an application", () => {}],
    ["nothing", undefined],
    ["a port", 8080],
  ])("with %s in place of a server is BAD_OPTION", async (_what, host) => {
    await expect(attach(host as unknown as HttpServer, { handler() {} })).rejects.toMatchObject({
      code: "BAD_OPTION",
      option: "httpServer",
    });
  });

  test("with an unknown option is BAD_OPTION, which offers no option of the listener", async () => {
    const host = await openHost();
    const options: object = { handler() {}, bcklog: 1 };
    const problem = await attach(host, options as ServeOptions).catch(String);
    expect(problem).toMatch(/bcklog: unknown option: the options are .*maxPayloadBytes/);
    expect(problem).not.toMatch(/\b(?:host|port|backlog|tls)\b/);
  });

  test("without options is BAD_OPTION", async () => {
    const host = await openHost();
    await expect(attach(host, undefined as unknown as ServeOptions)).rejects.toMatchObject({ code: "BAD_OPTION" });
  });

  test("whose init throws rejects with it, and leaves the host alone", async () => {
    const host = await openHost();
    const init = (): never => {
      throw new Error("no database");
    };
    await expect(attach(host, { logger: false, handler: { init, handle() {} } })).rejects.toThrow("no database");
    expect(host.listenerCount("upgrade")).toBe(0);
  });
});

test("onAccess is told of what the middleware answers, and not of what it passes on", async () => {
  const entries: string[] = [];
  const host = createServer((request, response) => {
    server.middleware(request, response, () => response.writeHead(418).end());
  }).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  const folder = mkdtempSync(join(tmpdir(), "sendall-attach-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "page.txt"), "a page");
  const server = await attachTo(host, {
    static: folder,
    handler() {},
    onAccess: ({ type, path, status }) => void entries.push(`${type} ${path} ${status}`),
  });
  expect((await fetch(`http://127.0.0.1:${portOf(host)}/missing.txt`)).status).toBe(418);
  expect(await (await fetch(`http://127.0.0.1:${portOf(host)}/page.txt`)).text()).toBe("a page");
  await until(() => entries.length > 0);
  expect(entries).toEqual(["request /page.txt 200"]);
});

test("once the server has closed, the host has no socket of it, not even one that a session has left behind", async () => {
  const host = await openHost();
  const server = await attachTo(host, { resume: true, closeTimeoutMs: 2_147_483_647, handler: echo });
  const offer = (more = ""): string => upgradeWith({ "Sec-WebSocket-Protocol": `sendall.1${more}` });
  const [silent, newest] = [new RawPeer(server.port), new RawPeer(server.port)];
  silent.write(offer());
  await until(() => silent.frames.length === 1);
  const { session } = JSON.parse(String(silent.frames[0]?.payload).slice(1));
  newest.write(offer(`, sendall.1.${session}.0.0.1`));
  // The last message that the peer of the old socket gets is the close frame, which the peer does not answer.
  await until(() => silent.frames.at(-1)?.opcode === 8 && newest.frames.length === 1);
  newest.socket.destroy();
  await until(() => server.stats().away === 1);
  await server.close();
  await until(() => silent.isEnded);
  const connections = await new Promise((resolve) => void host.getConnections((_error, count) => resolve(count)));
  expect(connections).toBe(0);
});
