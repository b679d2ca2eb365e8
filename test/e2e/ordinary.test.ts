/** Requests that offer to upgrade to something else than WebSocket, as curl and Java do: pages like others (RFC 9110 section 7.8). */
import { once } from "node:events";
import { createServer, type Server as HttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import { attach, type ServeOptions, type Server } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { upgradeWith } from "./asking.js";
import { nextRound, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import { Wire } from "./sockjs-peers.js";

/** What curl sends with `--http2`. */
const H2C = {
  Connection: "Upgrade, HTTP2-Settings",
  Upgrade: "h2c",
  "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA",
};

/** A page that says what it was asked. */
const page: RequestListener = async (request, response) => {
  let body = "";
  for await (const chunk of request.setEncoding("latin1")) body += chunk;
  response.end(`${request.method} ${request.url} HTTP/${request.httpVersion} ${body}`);
};

async function openHost(listener: RequestListener = page): Promise<HttpServer> {
  const host = createServer(listener).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  return host;
}

function portOf(host: HttpServer): number {
  return (host.address() as AddressInfo).port;
}

async function attachTo(host: HttpServer, options: Partial<ServeOptions> = {}): Promise<Server> {
  const server = await attach(host, {
    logger: false,
    routes: { "/chat": { handler() {} } },
    ...options,
  } as ServeOptions);
  onTestFinished(() => server.close());
  return server;
}

/** The ports of a server of ours and of a host that one is attached to. */
const stages: readonly (readonly [string, () => Promise<number>])[] = [
  ["serve", async () => (await serveByHand({ onRequest: page, routes: { "/chat": { handler() {} } } })).server.port],
  [
    "a host",
    async () => {
      const host = await openHost();
      await attachTo(host);
      return portOf(host);
    },
  ],
];

describe.each(stages)("a request with Upgrade: h2c, to %s", (_whom, open) => {
  test.each([
    ["h2c", "h2c"],
    ["nothing", ""],
    ["a list without WebSocket", "h2c, TLS/1.0, websockets"],
  ])("is a page's, whatever it offers: %s", async (_what, offer) => {
    const wire = new Wire(await open());
    for (const path of ["/", "/chat"]) {
      const { status, body } = await wire.ask("GET", path, { headers: { ...H2C, Upgrade: offer } }).answer();
      expect([status, body]).toEqual([200, `GET ${path} HTTP/1.1 `]);
    }
  });

  test("has its body, counted or in chunks", async () => {
    const wire = new Wire(await open());
    expect((await wire.ask("POST", "/a", { headers: H2C, body: "hello" }).answer()).body).toBe(
      "POST /a HTTP/1.1 hello",
    );
    wire.ask("POST", "/b", { headers: { ...H2C, "Transfer-Encoding": "chunked" } });
    wire.peer.write("5\r\nhello\r\n");
    await nextRound();
    wire.peer.write("6\r\n again\r\n0\r\n\r\n");
    expect((await wire.answer()).body).toBe("POST /b HTTP/1.1 hello again");
  });

  test("has a body that comes in pieces, and is larger than a read", async () => {
    const wire = new Wire(await open());
    const body = "x".repeat(300_000);
    wire.ask("POST", "/", { headers: { ...H2C, "Content-Length": "300000" } });
    for (let i = 0; i < 300_000; i += 50_000) {
      wire.peer.write(body.slice(i, i + 50_000));
      await nextRound();
    }
    expect((await wire.answer()).body).toBe(`POST / HTTP/1.1 ${body}`);
  });

  test("gets 100 Continue if it expects that", async () => {
    const wire = new Wire(await open());
    wire.ask("POST", "/", { headers: { ...H2C, Expect: "100-continue", "Content-Length": "5" } });
    expect((await wire.head()).status).toBe(100);
    wire.peer.write("hello");
    expect((await wire.answer()).body).toBe("POST / HTTP/1.1 hello");
  });

  test("may be of HTTP/1.0", async () => {
    const wire = new Wire(await open());
    expect((await wire.ask("GET", "/", { headers: H2C, version: "1.0" }).answer()).body).toBe("GET / HTTP/1.0 ");
    await until(() => wire.isEnded);
  });

  test("is answered in its turn, and so is what comes behind it in the same write", async () => {
    const wire = new Wire(await open());
    const one = (path: string, headers: object): string =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\n${Object.entries(headers)
        .map(([k, v]) => `${k}: ${v}\r\n`)
        .join("")}\r\n`;
    wire.peer.write(["/1", "/2", "/3", "/4", "/5"].map((path, i) => one(path, i % 2 === 1 ? H2C : {})).join(""));
    for (let i = 1; i <= 5; i++) expect((await wire.answer()).body).toBe(`GET /${i} HTTP/1.1 `);
  });

  test("leaves its connection as it was, however often it comes", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    const wire = new Wire(await open());
    for (let i = 0; i < 40; i++)
      expect((await wire.ask("GET", `/${i}`, { headers: H2C }).answer()).body).toBe(`GET /${i} HTTP/1.1 `);
    wire.peer.write(upgradeRequest("/chat"));
    expect((await wire.head()).status).toBe(101);
    await nextRound();
    expect(warnings).toEqual([]);
  });

  test("that is reset at once ends nothing", async () => {
    const port = await open();
    for (let i = 0; i < 20; i++) {
      const peer = new RawPeer(port);
      await once(peer.socket, "connect");
      peer.write(upgradeWith({ ...H2C, "Content-Length": "10" }));
      peer.socket.resetAndDestroy();
      await until(() => peer.isEnded);
    }
    expect((await new Wire(port).ask("GET", "/", { headers: H2C }).answer()).status).toBe(200);
  });

  test.each(["h2c, websocket", "h2c,WebSocket", "websocket, h2c"])(
    "that names WebSocket as well is an upgrade: %s",
    async (offer) => {
      const wire = new Wire(await open());
      wire.peer.write(upgradeWith({ Upgrade: offer }, "/chat"));
      const { status, headers } = await wire.head();
      expect([status, headers.upgrade]).toEqual([101, "websocket"]);
    },
  );
});

describe("the request that the page sees", () => {
  test("has the headers as they were sent, but for the Upgrade", async () => {
    const seen: string[][] = [];
    const { server } = await serveByHand({
      onRequest(request, response) {
        seen.push(request.rawHeaders);
        response.end();
      },
      handler() {},
    });
    const wire = new Wire(server.port);
    const sent = [
      "Host",
      "a",
      "X-One",
      "1",
      "x-one",
      "2",
      "X-Bytes",
      "\xfc\xff",
      "X-Empty",
      "",
      "Cookie",
      "a=1",
      "cookie",
      "b=2",
    ];
    const lines = sent.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${sent[i + 1]}\r\n`] : [])).join("");
    wire.peer.write(
      Buffer.from(
        `GET /a?q=%zz HTTP/1.1\r\n${lines}Upgrade: h2c\r\nupgrade: tcp\r\nConnection: upgrade\r\n\r\n`,
        "latin1",
      ),
    );
    expect((await wire.answer()).status).toBe(200);
    expect(seen).toEqual([[...sent, "Connection", "upgrade"]]);
  });
});

describe("over TLS", () => {
  const { cert, key } = makeCertificate("host");

  async function ask(port: number): Promise<string> {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.write(upgradeWith({ ...H2C, "Content-Length": "5" }).replace("GET", "POST"));
    await nextRound();
    socket.write("hello");
    await until(() => text.includes("POST"));
    socket.destroy();
    return text;
  }

  test("a POST with Upgrade: h2c to serve is a page's", async () => {
    const { server } = await serveByHand({ tls: { cert, key }, onRequest: page, handler() {} });
    expect(await ask(server.port)).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)+POST \/ HTTP\/1\.1 hello$/);
  });

  test("a POST with Upgrade: h2c to a host is a page's", async () => {
    const host = createTlsServer({ cert, key }, page).listen(0, "127.0.0.1");
    await once(host, "listening");
    onTestFinished(() => {
      host.close();
      host.closeAllConnections();
    });
    await attachTo(host);
    expect(await ask(portOf(host))).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)+POST \/ HTTP\/1\.1 hello$/);
  });
});

describe("a host", () => {
  test("keeps its own word on how many requests a connection may bring", async () => {
    const host = await openHost();
    host.maxRequestsPerSocket = 2;
    await attachTo(host);
    const wire = new Wire(portOf(host));
    expect((await wire.ask("GET", "/", { headers: H2C }).answer()).headers.connection).toBe("close");
    await until(() => wire.isEnded);
  });

  test("that leaves out headers does not take a body for another request", async () => {
    const seen: IncomingMessage[] = [];
    const host = await openHost((request, response) => {
      seen.push(request);
      response.end();
    });
    host.maxHeadersCount = 4;
    await attachTo(host);
    const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    const others = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`X-${i}`, "x"]));
    const headers = { ...H2C, ...others, "Content-Length": `${hidden.length}` };
    const wire = new Wire(portOf(host)).ask("POST", "/", { headers });
    wire.peer.write(hidden);
    // Node 22.23 and 24.21 refuse such a head by themselves.
    expect([405, 431]).toContain((await wire.answer()).status);
    await until(() => wire.isEnded);
    expect(seen.map(({ url }) => url)).not.toContain("/hidden");
  });

  test("that takes other upgrades gets them, but for the paths of our routes", async () => {
    const host = await openHost();
    host.on("upgrade", (request, socket) => {
      if (request.url === "/theirs") socket.end("HTTP/1.1 418 Theirs\r\nConnection: close\r\n\r\n");
    });
    await attachTo(host);
    const theirs = new Wire(portOf(host)).ask("GET", "/theirs", { headers: H2C });
    expect(await theirs.toEnd()).toMatch(/^HTTP\/1\.1 418 /);
    const ours = new Wire(portOf(host)).ask("GET", "/chat", { headers: H2C });
    expect((await ours.answer()).body).toBe("GET /chat HTTP/1.1 ");
  });

  test("with two servers of ours gets its request back once", async () => {
    const seen: string[] = [];
    const host = await openHost((request, response) => {
      seen.push(String(request.url));
      response.end();
    });
    await attachTo(host);
    await attachTo(host);
    const wire = new Wire(portOf(host));
    for (const path of ["/", "/chat"])
      expect((await wire.ask("GET", path, { headers: H2C }).answer()).status).toBe(200);
    expect(seen).toEqual(["/", "/chat"]);
  });
});
