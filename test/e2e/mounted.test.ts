/** `server.middleware` in a host: mounted at a path, beside the host's own headers, and eleven servers at one host. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { type AccessEntry, type AttachOptions, attach, reject, type Server } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { rememberLines } from "./asking.js";
import { Client, nextRound, until } from "./peers.js";
import { type Answer, ask, newSession } from "./sockjs-peers.js";

type Mount = (server: Server) => void;

/** A host with a server attached to it, mounted as the test says. */
async function stage(options: AttachOptions, host: HttpServer, mount: Mount) {
  const server = await attach(host, { logger: false, ...options });
  mount(server);
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(async () => {
    // A session that nobody polls would be waited for.
    for (const connection of server.connections()) connection.terminate();
    await server.close();
    host.close();
    host.closeAllConnections();
  });
  const address = host.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const get = (path: string): Promise<Answer> => ask(port, "GET", path, { headers: { Connection: "close" } });
  return { server, port, get };
}

/** What stands in front of a request in Express: `app.use(path, …)`. */
function inExpress(path: string): { readonly host: HttpServer; readonly mount: Mount } {
  const app = express();
  const mount: Mount = (server) => {
    app.use(path, server.middleware);
    app.use((request, response) => void response.status(404).send(`the host has no ${request.url}`));
  };
  return { host: createServer(app), mount };
}

/** As connect and the middlewares of Fastify mount: they say what the target was, and not where they are. */
function inConnect(path: string): { readonly host: HttpServer; readonly mount: Mount } {
  const host = createServer();
  const mount: Mount = (server) =>
    host.on("request", (request: IncomingMessage & { originalUrl?: string }, response: ServerResponse) => {
      const { url = "/" } = request;
      const pass = (): void => void response.writeHead(404).end(`the host has no ${url}`);
      if (!url.startsWith(path)) return pass();
      request.originalUrl = url;
      request.url = url.slice(path.length).replace(/^(?!\/)/, "/");
      server.middleware(request, response, pass);
    });
  return { host, mount };
}

function makeFolder(files: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "sendall-mounted-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "chat"));
  for (const file of files) writeFileSync(join(folder, file), `this is ${file}`);
  return folder;
}

const handler: NonNullable<AttachOptions["handler"]> = (event, bus) => {
  if (event.type === "message") bus.sendall(event.text);
};

describe.each([
  ["Express", inExpress],
  ["connect", inConnect],
])("mounted at a path by %s", (_name, mounting) => {
  test("SockJS is at its route, by HTTP and by WebSocket", async () => {
    const { host, mount } = mounting("/chat");
    const entries: AccessEntry[] = [];
    const routes = { "/chat": { sockjs: true, handler } };
    const { server, port, get } = await stage({ routes, onAccess: (entry) => void entries.push(entry) }, host, mount);
    const info = await get("/chat/info");
    expect([info.status, JSON.parse(info.body)]).toEqual([200, expect.objectContaining({ websocket: true })]);
    expect((await get("/chat")).body).toBe("Welcome to SockJS!\n");
    const session = newSession("/chat");
    expect((await ask(port, "POST", `${session}/xhr`, { body: "" })).body).toBe("o\n");
    expect(server.connections().map(({ path, transport }) => [path, transport])).toEqual([["/chat", "xhr-polling"]]);
    const client = await Client.open(`${server.url}chat/000/abc/websocket`);
    expect((await ask(port, "POST", `${session}/xhr_send`, { body: '["hello"]' })).status).toBe(204);
    await until(() => client.received.length === 2);
    expect(client.received).toEqual(["o", 'a["hello"]']);
    await until(() => entries.length === 5);
    expect(entries.map(({ path, status }) => `${path} ${status}`)).toEqual([
      "/chat/info 200",
      "/chat 200",
      "/chat/xhr 200",
      "/chat 101",
      "/chat/xhr_send 204",
    ]);
  });

  test("SockJS of every path is there, too", async () => {
    const { host, mount } = mounting("/any");
    const { server, port, get } = await stage({ sockjs: true, handler }, host, mount);
    expect((await get("/any/info")).status).toBe(200);
    expect((await ask(port, "POST", `${newSession("/any")}/xhr`, { body: "" })).body).toBe("o\n");
    await Client.open(`${server.url}any/000/abc/websocket`);
    expect(server.connections().map(({ path }) => path)).toEqual(["/any", "/any"]);
  });

  test("files keep their place below it, before the greeting and beside SockJS", async () => {
    const { host, mount } = mounting("/chat");
    const folder = makeFolder(["index.html", "app.js", "chat/info"]);
    const { get } = await stage({ static: folder, routes: { "/chat": { sockjs: true, handler } } }, host, mount);
    expect((await get("/chat/")).body).toBe("this is index.html");
    expect((await get("/chat/app.js")).body).toBe("this is app.js");
    expect((await get("/chat/chat/info")).body).toBe("this is chat/info");
    expect((await get("/chat/info")).body).toContain('"websocket":true');
    expect((await get("/chat/missing.js")).body).toContain("the host has no");
  });

  test("that fits no route, SockJS says so in each answer and once in the log, and files and pages are served", async () => {
    const { lines, logger } = rememberLines();
    const { host, mount } = mounting("/api");
    const folder = makeFolder(["app.js"]);
    const routes = { "/chat": { sockjs: true, handler } };
    const { server, port, get } = await stage({ static: folder, routes, logger }, host, mount);
    const problem =
      'SockJS is mounted where no route is: upgrades come with their whole path, so that the route "/chat" has to be "/api/chat"';
    for (const path of ["/api/chat/info", "/api/chat/websocket"])
      expect([(await get(path)).status, (await get(path)).body.trim()]).toEqual([404, problem]);
    expect((await ask(port, "POST", `${newSession("/api/chat")}/xhr`, { body: "" })).body.trim()).toBe(problem);
    expect(lines.filter(({ line }) => line === problem).map(({ level }) => level)).toEqual(["warn"]);
    expect((await get("/api/app.js")).body).toBe("this is app.js");
    for (const path of ["/api/chat", "/api/other"]) expect((await get(path)).body).toContain("the host has no");
    expect(server.stats().connections).toBe(0);
  });
});

describe("the headers of a host", () => {
  /** A host whose middleware sets these before us. */
  async function withHeaders(
    headers: Readonly<Record<string, string | string[]>>,
    options: Partial<AttachOptions> = {},
  ) {
    const host = createServer();
    const mount: Mount = (server) =>
      host.on("request", (request, response) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        server.middleware(request, response, () => response.writeHead(404).end());
      });
    const routes = {
      "/chat": {
        sockjs: { cookieNeeded: true },
        handler,
        authorize: () => reject(403, "no", { Vary: "Cookie", "Set-Cookie": "c=3" }),
      },
    };
    return stage({ routes, ...options } as AttachOptions, host, mount);
  }

  test.each([
    ["Accept-Encoding", "Accept-Encoding, Origin"],
    ["Accept-Encoding, origin", "Accept-Encoding, origin"],
    ["*", "*"],
  ])("have their Vary added to: %s", async (before, after) => {
    const { get } = await withHeaders({ Vary: before });
    expect((await get("/chat/info")).headers.vary).toBe(after);
  });

  test("keep their cookies and their policy beside ours", async () => {
    const policy = "default-src 'self'";
    const { get, port } = await withHeaders({
      "Set-Cookie": ["a=1", "b=2"],
      "Content-Security-Policy": policy,
      Vary: "X",
    });
    const answer = await ask(port, "POST", `${newSession("/chat")}/xhr`, {
      body: "",
      headers: { Connection: "close" },
    });
    const cookies = [...answer.text.matchAll(/^set-cookie: ([^\r\n;]*)/gim)].map(([, cookie]) => cookie);
    expect(cookies).toEqual(["a=1", "b=2", "JSESSIONID=dummy", "c=3"]);
    const vary = [...answer.text.matchAll(/^vary: ([^\r\n]*)/gim)].map(([, name]) => name).join(", ");
    expect(vary).toBe("X, Origin, Cookie");
    const page = await get("/chat/iframe.html");
    const policies = [...page.text.matchAll(/^content-security-policy: ([^\r\n]*)/gim)].map(([, one]) => one);
    expect(policies).toEqual([policy, expect.stringMatching(/^frame-ancestors /)]);
  });

  test("do not let pages read what the option origins keeps from them", async () => {
    const { port } = await withHeaders({
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Credentials": "true",
    });
    const infoFor = async (origin: string): Promise<(string | undefined)[]> => {
      const { headers } = await ask(port, "GET", "/chat/info", { headers: { Origin: origin } });
      return [headers["access-control-allow-origin"], headers["access-control-allow-credentials"]];
    };
    expect(await infoFor("http://evil.example")).toEqual([undefined, undefined]);
    expect(await infoFor("http://localhost:1")).toEqual(["http://localhost:1", "true"]);
  });

  test("outlast an onRequest that fails, whose own do not", async () => {
    const { get } = await withHeaders(
      { Vary: "Accept-Encoding", "X-Host": "kept" },
      {
        onRequest(_request, response) {
          response.setHeader("X-Own", "lost").setHeader("X-Host", "lost");
          throw new Error("bad");
        },
      },
    );
    const { status, headers } = await get("/x");
    expect([status, headers.vary, headers["x-host"], headers["x-own"]]).toEqual([
      500,
      "Accept-Encoding",
      "kept",
      undefined,
    ]);
  });
});

test("eleven servers at one host, each with all that a host can mount, are no reason for a warning", async () => {
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  const app = express();
  const host = createServer(app);
  const limit = host.getMaxListeners();
  const folder = makeFolder(["app.js"]);
  const servers: Server[] = [];
  for (let i = 0; i < 11; i++) {
    const routes = { [`/chat${i}`]: { sockjs: true, handler } };
    const server = await attach(host, { logger: false, static: folder, routes, onAccess() {} });
    app.use(server.middleware);
    servers.push(server);
  }
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  const address = host.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  for (const [path, status] of [
    ["/app.js", 200],
    ["/missing.js", 404],
    ["/chat10/info", 200],
  ] as const)
    expect((await ask(port, "GET", path, { headers: { Connection: "close" } })).status).toBe(status);
  await Client.open(`ws://127.0.0.1:${port}/chat10`);
  await nextRound();
  expect(warnings).toEqual([]);
  for (const server of servers) await server.close();
  expect([host.listenerCount("upgrade"), host.getMaxListeners()]).toEqual([0, limit]);
  host.close();
  host.closeAllConnections();
});

test("a host without a limit on its listeners gets no limit", async () => {
  const host = createServer().setMaxListeners(0);
  const server = await attach(host, { logger: false, handler });
  expect(host.getMaxListeners()).toBe(0);
  await server.close();
  expect(host.getMaxListeners()).toBe(0);
});
