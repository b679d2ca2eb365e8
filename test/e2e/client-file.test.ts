/** The option `client`: the module of `sendall/client` at a path of the server, for pages. Needs the build. */
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer, type IncomingHttpHeaders, request } from "node:http";
import { request as requestSecurely } from "node:https";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import express from "express";
import { fastify } from "fastify";
import { chromium } from "playwright-core";
import { type AccessEntry, type AttachOptions, attach, type ServeOptions, type Server, serve } from "sendall";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { Client, until } from "./peers.js";
import { runCode, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const ROOT = new URL("../../", import.meta.url);
const PATH = "/sendall/client.js";
/** Modules as shipped, but for the address of a source map which is not served. */
const MODULE = moduleOf("client.js");
const PROTOCOL = moduleOf("protocol.js");

function moduleOf(name: string): string {
  return readFileSync(new URL(`dist/${name}`, ROOT), "utf8").replace(/\/\/# source.*\s*$/, "");
}

afterEach(stopPrograms);

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(port: number, { path = PATH, method = "GET", headers = {} }: Question = {}): Promise<Answer> {
  const asking = request({ host: "127.0.0.1", port, path, method, headers, agent: false }).end();
  const [answer] = await once(asking, "response");
  const body = Buffer.concat(await answer.toArray());
  return { status: answer.statusCode, headers: answer.headers, body };
}

const handler: NonNullable<AttachOptions["handler"]> = (event, bus) => {
  if (event.type === "message") bus.unicast(event.text, event.connection);
};

async function open(options: ServeOptions = { handler }): Promise<Server> {
  const server = await serve({ port: 0, logger: false, client: PATH, ...options });
  onTestFinished(() => server.close());
  return server;
}

/** Attaches a server to a host, which listens then. */
async function openAt(host: HttpServer, client = PATH): Promise<Server> {
  const server = await attach(host, { logger: false, client, handler });
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(async () => {
    await server.close();
    host.close();
    host.closeAllConnections();
  });
  return server;
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sendall-client-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("the client of serve", () => {
  test("is a script that browsers keep, and ask for again", async () => {
    const { port } = await open();
    const { status, headers, body } = await ask(port);
    expect([status, body.toString()]).toEqual([200, MODULE]);
    expect(headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "content-length": String(body.length),
      "cache-control": "no-cache",
      vary: "Accept-Encoding",
      etag: expect.stringMatching(/^"[\w-]+"$/),
    });
    expect(headers).not.toHaveProperty("content-encoding");
    expect(headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("names no source map, since none is served", async () => {
    const { port } = await open();
    expect((await ask(port)).body.toString()).not.toContain("sourceMappingURL");
    expect((await ask(port, { path: `${PATH}.map` })).status).toBe(426);
  });

  test.each([
    ["br", "gzip, deflate, br, zstd"],
    ["br", "br"],
    ["br", "BR;Q=0.5, gzip;q=0.4"],
    ["br", "*"],
    ["gzip", "gzip"],
    ["gzip", "gzip, br;q=0"],
    ["gzip", "br;q=0.2 , gzip ; q=0.8"],
    ["gzip", "*, br;q=0"],
    ["gzip", "identity;q=0.1, gzip;q=0.101"],
    [undefined, ""],
    [undefined, "deflate, zstd"],
    [undefined, "gzip;q=0, br;q=0.0"],
    [undefined, "*;q=0"],
    [undefined, "identity, gzip;q=0.5"],
    [undefined, "gzip;q=a lot"],
    [undefined, "broccoli, gzipped"],
  ])("comes as %s to a peer that accepts %j", async (coding, accepted) => {
    const { port } = await open();
    const { status, headers, body } = await ask(port, { headers: { "Accept-Encoding": accepted } });
    expect([status, headers["content-encoding"], headers.vary]).toEqual([200, coding, "Accept-Encoding"]);
    const plain = coding === "br" ? brotliDecompressSync(body) : coding === "gzip" ? gunzipSync(body) : body;
    expect([plain.toString(), headers["content-length"]]).toEqual([MODULE, String(body.length)]);
  });

  test("is 304 for a peer that has the same bytes, and 200 for others", async () => {
    const { port } = await open();
    const tags = new Map<string, string>();
    for (const coding of ["br", "gzip", "identity"]) {
      const { headers } = await ask(port, { headers: { "Accept-Encoding": coding } });
      tags.set(coding, headers.etag ?? "");
    }
    expect(new Set(tags.values()).size).toBe(3);
    for (const [coding, etag] of tags) {
      for (const had of [etag, `"a", ${etag}`, `W/${etag}`, "*"])
        for (const method of ["GET", "HEAD"]) {
          const question = { method, headers: { "Accept-Encoding": coding, "If-None-Match": had } };
          const { status, headers, body } = await ask(port, question);
          expect([had, status, body.length, headers.etag]).toEqual([had, 304, 0, etag]);
          expect(headers).toMatchObject({ "cache-control": "no-cache", vary: "Accept-Encoding" });
        }
      const others = [...tags.values()].filter((tag) => tag !== etag).join(", ");
      for (const had of [others, '"a"', etag.slice(1, -1)])
        expect((await ask(port, { headers: { "Accept-Encoding": coding, "If-None-Match": had } })).status).toBe(200);
    }
  });

  test("has the same tag at every server, so that a page may be sent to any worker", async () => {
    const [one, two] = [await open(), await open()];
    expect((await ask(one.port)).headers.etag).toBe((await ask(two.port)).headers.etag);
  });

  test("answers HEAD with the headers of GET alone", async () => {
    const { port } = await open();
    const headers = { "Accept-Encoding": "gzip" };
    const [get, head] = [await ask(port, { headers }), await ask(port, { method: "HEAD", headers })];
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect({ ...head.headers, date: "" }).toEqual({ ...get.headers, date: "" });
  });

  test.each(["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])("refuses %s and says what it accepts", async (method) => {
    const { port } = await open();
    const { status, headers } = await ask(port, { method });
    expect([status, headers.allow]).toEqual([405, "GET, HEAD"]);
  });

  test("is at its path however the path is spelt, with any query, and nowhere else", async () => {
    const { port } = await open({ handler, client: "/räume/client.js" });
    for (const path of ["/r%C3%A4ume/client.js", "/r%c3%a4ume/cl%69ent.js", "/r%C3%A4ume/client.js?v=2"])
      expect([path, (await ask(port, { path })).body.toString()]).toEqual([path, MODULE]);
    for (const path of [PATH, "/client.js", "/r%C3%A4ume/client.js/", "/r%C3%A4ume/", "/r%C3%A4ume%2Fclient.js", "/"])
      expect([path, (await ask(port, { path })).status]).toEqual([path, 426]);
  });

  test.each([
    [PATH, "/sendall/protocol.js"],
    ["/sendall/client.min.js", "/sendall/protocol.js"],
    ["/c.js", "/protocol.js"],
    ["/räume/client.js", "/r%C3%A4ume/protocol.js"],
  ])("brings the protocol, as %s brings %s", async (client, path) => {
    const { port } = await open({ handler, client });
    const { status, headers, body } = await ask(port, { path, headers: { "Accept-Encoding": "br" } });
    expect([status, headers["content-encoding"], brotliDecompressSync(body).toString()]).toEqual([200, "br", PROTOCOL]);
    const question = { path, headers: { "Accept-Encoding": "br", "If-None-Match": String(headers.etag) } };
    expect((await ask(port, question)).status).toBe(304);
    expect((await ask(port, { path, method: "POST" })).headers.allow).toBe("GET, HEAD");
  });

  test("is alone where its own name is that of the protocol", async () => {
    const { port } = await open({ handler, client: "/sendall/protocol.js" });
    expect((await ask(port, { path: "/sendall/protocol.js" })).body.toString()).toBe(MODULE);
  });

  test("is not there unless a program asks for it", async () => {
    const server = await serve({ port: 0, logger: false, handler });
    onTestFinished(() => server.close());
    for (const path of [PATH, "/sendall/protocol.js", "/protocol.js"])
      expect((await ask(server.port, { path })).status).toBe(426);
  });

  test("comes before a page of SockJS", async () => {
    const { port } = await open({ routes: { "/sendall": { sockjs: true, handler } }, client: "/sendall/info" });
    expect((await ask(port, { path: "/sendall/info" })).body.toString()).toBe(MODULE);
  });

  test("comes before a file and onRequest; onAccess is told, and an upgrade of the path reaches its route", async () => {
    const folder = makeFolder();
    mkdirSync(join(folder, "sendall"));
    for (const name of ["client.js", "protocol.js", "other.js"]) writeFileSync(join(folder, "sendall", name), "a file");
    const seen: (string | undefined)[] = [];
    const entries: AccessEntry[] = [];
    const server = await open({
      routes: { "/sendall": { sockjs: true, handler }, [PATH]: { handler } },
      static: folder,
      onRequest: (request, response) => {
        seen.push(request.url);
        response.end("onRequest");
      },
      onAccess: (entry) => void entries.push(entry),
    });
    const bodyOf = async (path: string): Promise<string> => (await ask(server.port, { path })).body.toString();
    expect(await bodyOf(PATH)).toBe(MODULE);
    expect(await bodyOf("/sendall/protocol.js")).toBe(PROTOCOL);
    expect(await bodyOf("/page")).toBe("onRequest");
    expect(await bodyOf("/sendall")).toBe("Welcome to SockJS!\n");
    const client = await Client.open(`${server.url}sendall/client.js`);
    client.ws.send("hello");
    await until(() => client.received.length === 1);
    await until(() => entries.length === 5);
    expect(seen).toEqual(["/page"]);
    expect(entries.map(({ path, status }) => [path, status])).toEqual([
      [PATH, 200],
      ["/sendall/protocol.js", 200],
      ["/page", 200],
      ["/sendall", 200],
      [PATH, 101],
    ]);
  });

  test("is served over TLS", async () => {
    const tls = makeCertificate("ours");
    const { port } = await open({ handler, tls });
    const asking = requestSecurely({ host: "127.0.0.1", port, path: PATH, agent: false, rejectUnauthorized: false });
    const [answer] = await once(asking.end(), "response");
    expect(await text(answer)).toBe(MODULE);
  });
});

test.each(["client.js", "protocol.js"])(
  "the option client is refused where the package is without %s",
  async (name) => {
    const folder = makeFolder();
    for (const part of ["dist", "package.json"])
      cpSync(fileURLToPath(new URL(part, ROOT)), join(folder, part), { recursive: true });
    rmSync(join(folder, "dist", name));
    symlinkSync(fileURLToPath(new URL("node_modules", ROOT)), join(folder, "node_modules"));
    const { stdout } = await runCode(`import { serve } from ${JSON.stringify(join(folder, "dist", "index.js"))};
    const options = { port: 0, logger: false, handler() {}, client: ${JSON.stringify(PATH)} };
    await serve(options).catch(({ code, message }) => console.log(code, message));`).ended;
    expect(stdout).toEqual([
      expect.stringMatching(
        /^BAD_OPTION client: cannot read the modules of this package: ENOENT.*(client|protocol)\.js/,
      ),
    ]);
    expect(stdout[0]).toContain(name);
  },
);

describe("the client of attach", () => {
  test("is served by the middleware in Express, and no other page of the host changes", async () => {
    const app = express();
    const host = createServer(app);
    const { port, middleware } = await openAt(host);
    app.use(middleware);
    app.use((asked, response) => void response.send(`the host at ${asked.url}`));
    expect((await ask(port)).body.toString()).toBe(MODULE);
    expect((await ask(port, { path: "/sendall/protocol.js" })).body.toString()).toBe(PROTOCOL);
    expect((await ask(port, { path: "/sendall/other.js" })).body.toString()).toBe("the host at /sendall/other.js");
    expect((await ask(port, { method: "POST" })).status).toBe(405);
    expect((await ask(port, { method: "POST", path: "/" })).body.toString()).toBe("the host at /");
  });

  test("is found by the whole path where Express has mounted the middleware", async () => {
    const app = express();
    const server = await openAt(createServer(app), "/api/client.js");
    app.use("/api", server.middleware);
    expect((await ask(server.port, { path: "/api/client.js" })).body.toString()).toBe(MODULE);
    for (const path of ["/client.js", "/api/api/client.js"])
      expect([path, (await ask(server.port, { path })).status]).toEqual([path, 404]);
  });

  test("is served by the middleware in plain Node, also behind a page on the same connection", async () => {
    const host = createServer();
    const server = await openAt(host);
    host.on("request", (asked, response) => {
      response.setHeader("Vary", "Cookie");
      server.middleware(asked, response, () => setImmediate(() => response.end(`the host at ${asked.url}`)));
    });
    expect((await ask(server.port)).headers.vary).toBe("Cookie, Accept-Encoding");
    const socket = connectSocket(server.port, "127.0.0.1");
    const get = (path: string, rest = ""): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${rest}\r\n`;
    socket.write(get("/page") + get(PATH) + get("/end", "Connection: close\r\n"));
    const answers = await text(socket);
    const places = ["the host at /page", MODULE, "the host at /end"].map((body) => answers.indexOf(body));
    expect(places).toEqual(places.filter((place) => place >= 0).sort((a, b) => a - b));
  });

  test("is served by the middleware in a hook of Fastify", async () => {
    const app = fastify();
    onTestFinished(() => app.close());
    const server = await attach(app.server, { logger: false, client: PATH, handler });
    onTestFinished(() => server.close());
    app.addHook("onRequest", (asked, reply, done) => server.middleware(asked.raw, reply.raw, done));
    app.get("/page", () => "the host");
    await app.listen({ port: 0, host: "127.0.0.1" });
    expect((await ask(server.port)).body.toString()).toBe(MODULE);
    expect((await ask(server.port, { path: "/page" })).body.toString()).toBe("the host");
  });

  test("is not served by a host that does not mount the middleware", async () => {
    const host = createServer((_request, response) => void response.end("the host"));
    const { port } = await openAt(host);
    expect((await ask(port)).body.toString()).toBe("the host");
  });
});

describe("the client of sendall serve", () => {
  async function portOf(args: readonly string[], cwd?: string): Promise<number> {
    const program = start("dist/cli.js", ["serve", ...args, "--port", "0"], cwd === undefined ? {} : { cwd });
    const [, port] = await program.stdout.next(/^Listening on ws:\S+:(\d+)\//);
    return Number(port);
  }

  test("is at the path of --client", async () => {
    expect((await ask(await portOf(["--client", PATH]))).body.toString()).toBe(MODULE);
    expect((await ask(await portOf([]))).status).toBe(426);
  });

  test("is at the path of the file, unless --client names another path", async () => {
    const folder = makeFolder();
    writeFileSync(join(folder, "h.mjs"), `export default { handler() {}, client: ${JSON.stringify(PATH)} };`);
    expect((await ask(await portOf(["h.mjs"], folder))).body.toString()).toBe(MODULE);
    const port = await portOf(["h.mjs", "--client", "/c.js"], folder);
    expect([(await ask(port)).status, (await ask(port, { path: "/c.js" })).body.toString()]).toEqual([426, MODULE]);
  });

  test("is served by workers", async () => {
    const port = await portOf(["--client", PATH, "--workers", "2"]);
    for (let i = 0; i < 4; i++) expect((await ask(port)).body.toString()).toBe(MODULE);
  });
});

const program = requires("chromium");

test.skipIf(program.skip)("a page in Chromium imports the client of serve, and exchanges a message", async () => {
  const page = `<!doctype html><link rel="icon" href="data:,">
<script type="module">
  import { connect } from "${PATH}";
  const client = connect("/chat", { onMessage: (data) => { document.title = data; } });
  client.send("hello");
</script>`;
  const entries: AccessEntry[] = [];
  const server = await open({
    routes: { "/chat": { handler } },
    onRequest: (_request, response) => void response.setHeader("Content-Type", "text/html").end(page),
    onAccess: (entry) => void entries.push(entry),
  });
  const browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  onTestFinished(() => browser.close());
  const tab = await browser.newPage();
  const url = server.url.replace("ws", "http");
  const statuses = (): readonly number[] => entries.filter(({ path }) => path === PATH).map(({ status }) => status);
  for (const expected of [[200], [200, 304]]) {
    await tab.goto(url);
    await tab.waitForFunction("document.title === 'hello'");
    await until(() => statuses().length === expected.length);
    expect(statuses()).toEqual(expected);
  }
});
