/** `sendall/client` in Node, over real sockets: against our own server, a plain `ws` server and servers that are none. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, STATUS_CODES } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { reject, type Server, serve } from "sendall";
import { type Client, type ConnectOptions, connect, type WebSocketClass } from "sendall/client";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { clientFrame, serveRaw, until } from "./peers.js";
import { runCode, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

/** Serves what is no chat: each message goes back to its sender. */
async function serveEcho(port = 0): Promise<Server> {
  const server = await serve({
    port,
    logger: false,
    handler(event, bus) {
      if (event.type === "message") bus.unicast(event.data, event.connection);
    },
  });
  onTestFinished(() => server.close());
  return server;
}

function open(url: string, options?: ConnectOptions): Client {
  const client = connect(url, options);
  onTestFinished(() => {
    client.close();
  });
  return client;
}

/** What a client has heard, in order. */
function listen(url: string, options: ConnectOptions = {}): { readonly client: Client; readonly log: unknown[] } {
  const log: unknown[] = [];
  const client = open(url, {
    onOpen: () => log.push("open"),
    onMessage: (data) => log.push(data),
    onClose: (closing) => log.push(closing),
    onError: (error) => log.push(error),
    ...options,
  });
  return { client, log };
}

/** What the end of a client says of messages when none waited. */
const NOTHING = { uncertain: [], unsent: [] };

/** What a client needs for a server other than Sendall. */
const PLAIN: ConnectOptions = { session: false };

/** A plain `ws` server on a free port. */
async function servePlain(options: object = {}): Promise<{ readonly server: WebSocketServer; readonly url: string }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { server, url: urlOf(server) };
}

function urlOf(server: { address(): unknown }): string {
  const address = server.address();
  if (typeof address !== "object" || address === null || !("port" in address)) throw new Error("it has a port");
  return `ws://127.0.0.1:${address.port}/`;
}

/** A server of HTTP that knows nothing of WebSockets. */
async function serveHttp(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  server.on("upgrade", (request, socket) => {
    const status = Number(request.url?.slice(1));
    const body = `no: ${STATUS_CODES[status]}`;
    socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  return urlOf(server);
}

describe("a client in Node", () => {
  const classes: [name: string, options: ConnectOptions][] = [
    ["its default class", {}],
    ["the class of ws", { WebSocket }],
  ];
  const native: unknown = Reflect.get(globalThis, "WebSocket");
  const isClass = (value: unknown): value is WebSocketClass => typeof value === "function";
  if (isClass(native)) classes.push(["Node's own class", { WebSocket: native }]);

  test.each(classes)("talks to our server with %s, and closes with its code and reason", async (_name, options) => {
    const closed: unknown[] = [];
    const server = await serve({
      port: 0,
      logger: false,
      handler(event, bus) {
        if (event.type === "message") bus.unicast(event.data, event.connection);
        if (event.type === "closed") closed.push([event.code, event.reason, event.by, event.wasClean]);
      },
    });
    onTestFinished(() => server.close());
    const { client, log } = listen(server.url, options);
    client.send("queued");
    await client.opened;
    client.send("text");
    client.send(Buffer.from([0, 255]));
    client.send(new Uint8Array([1]).buffer);
    await until(() => log.length === 5);
    client.close(4001, "bye");
    await until(() => client.state === "closed" && closed.length === 1);
    expect(log).toEqual([
      "open",
      "queued",
      "text",
      new Uint8Array([0, 255]),
      new Uint8Array([1]),
      { ...NOTHING, code: 4001, reason: "bye", wasClean: true, willRetry: false },
    ]);
    expect(closed).toEqual([[4001, "bye", "peer", true]]);
  });

  test("whose token is asked for at each attempt comes back after a refusal, and shows no token in its errors", async () => {
    const server = await serve({
      port: 0,
      logger: false,
      authorize: ({ query, headers }) => (query.get("token") === "fresh" && headers["x-key"] === "new") || reject(401),
      handler() {},
    });
    onTestFinished(() => server.close());
    const tokens = ["old secret", "fresh"];
    const keys = ["new", "new"];
    const errors: string[] = [];
    const client = connect(async () => `${server.url}?token=${tokens.shift()}`, {
      headers: () => ({ "X-Key": keys.shift() ?? "" }),
      reconnect: { minMs: 0 },
      onError: ({ code, message }) => errors.push(`${code} ${message}`),
    });
    onTestFinished(() => void client.close());
    await client.opened;
    expect(errors).toEqual([expect.stringMatching(/^REFUSED ws:[^?]* refused the connection: HTTP 401/)]);
    const lost = connect("ws://127.0.0.1:1/?token=secret", { reconnect: false });
    const failure = await lost.opened.catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringMatching(/^cannot connect to ws:\/\/127.0.0.1:1\/: /) });
  });

  test("refuses headers that are no plain object, and does not show the values", () => {
    const bad: unknown[] = [new Headers({ a: "secret" }), new Map([["a", "secret"]]), { a: undefined }, "secret"];
    for (const headers of bad) {
      const connecting = (): unknown => connect("ws://127.0.0.1:1/", { headers: headers as Record<string, string> });
      expect(connecting).toThrow(/^headers: expected an object of header names and strings.*, got something else$/);
    }
  });

  test("sends its headers and protocols to a plain ws server, again at each attempt", async () => {
    const { server, url } = await servePlain({ handleProtocols: () => "two" });
    const requests: IncomingMessage[] = [];
    server.on("connection", (socket, request) => {
      requests.push(request);
      if (requests.length === 1) socket.close(1012);
      else socket.send("hello");
    });
    const { log } = listen(url, {
      ...PLAIN,
      headers: { Authorization: "Bearer x", "X-Ann": "1" },
      protocols: ["one", "two"],
      reconnect: { minMs: 1 },
    });
    await until(() => log.includes("hello"));
    for (const { headers } of requests) {
      expect(headers).toMatchObject({ authorization: "Bearer x", "x-ann": "1" });
      expect(headers["sec-websocket-protocol"]).toBe("one,two");
    }
    expect(requests).toHaveLength(2);
  });

  test("hears how a plain ws server closes: a code, no code, no close frame", async () => {
    const { server, url } = await servePlain();
    const ways: ((socket: WebSocket) => void)[] = [
      (socket) => socket.close(4005, "why"),
      (socket) => socket.close(),
      (socket) => socket.terminate(),
      (socket) => socket.close(1008, "leave"),
    ];
    server.on("connection", (socket) => ways.shift()?.(socket));
    const { client, log } = listen(url, { ...PLAIN, reconnect: { minMs: 1, maxMs: 1 } });
    await until(() => client.state === "closed");
    expect(log.filter((entry) => entry !== "open")).toEqual([
      { ...NOTHING, code: 4005, reason: "why", wasClean: true, willRetry: true },
      { ...NOTHING, code: 1005, reason: "", wasClean: true, willRetry: true },
      { ...NOTHING, code: 1006, reason: "", wasClean: false, willRetry: true },
      { ...NOTHING, code: 1008, reason: "leave", wasClean: true, willRetry: false },
    ]);
  });

  test.each([401, 404, 200])("is refused with HTTP %i: an error that says so, and no crash", async (status) => {
    const url = `${await serveHttp((_request, response) => response.end())}${status}`;
    const { client, log } = listen(url, { reconnect: { attempts: 0 } });
    await expect(client.opened).rejects.toMatchObject({
      code: "REFUSED",
      status,
      body: `no: ${STATUS_CODES[status]}`,
      message: `${url} refused the connection: HTTP ${status} no: ${STATUS_CODES[status]}`,
    });
    expect(log).toEqual([expect.any(Error), { ...NOTHING, code: 1006, reason: "", wasClean: false, willRetry: false }]);
  });

  test("shows as much of a refusal's body as its first KiB, and does not wait for the rest", async () => {
    const endless = createTcpServer((socket) => {
      socket.once("data", () => socket.write(`HTTP/1.1 403 No\r\n\r\n${"x".repeat(5000)}`));
      socket.on("error", () => {});
    }).listen(0, "127.0.0.1");
    await once(endless, "listening");
    onTestFinished(() => void endless.close());
    await expect(open(urlOf(endless)).opened).rejects.toMatchObject({ status: 403, body: "x".repeat(1024) });
  });

  test("is refused all the same when the refusal breaks off, and names the first line of a body", async () => {
    const rude = createTcpServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\nnot here\n<p>"));
    }).listen(0, "127.0.0.1");
    await once(rude, "listening");
    onTestFinished(() => void rude.close());
    const url = urlOf(rude);
    await expect(open(url).opened).rejects.toMatchObject({
      status: 404,
      body: "not here\n<p>",
      message: `${url} refused the connection: HTTP 404 not here`,
    });
  });

  test("comes back after a 503, as soon as it is let in", async () => {
    let refusals = 0;
    const { url } = await servePlain({
      verifyClient: (_info: unknown, done: (ok: boolean, status: number) => void) => done(refusals++ >= 2, 503),
    });
    const { client, log } = listen(url, { ...PLAIN, reconnect: { minMs: 1 } });
    await client.opened;
    await until(() => client.state === "open");
    expect(log.filter((entry) => entry instanceof Error)).toHaveLength(2);
  });

  test.each([
    ["a masked frame", (socket: Socket) => socket.write(clientFrame("x")), "WS_ERR_UNEXPECTED_MASK"],
    ["a reset", (socket: Socket) => socket.resetAndDestroy(), "ECONNRESET"],
  ] as const)("is told what has broken an open connection: %s", async (_case, act, code) => {
    const url = await serveRaw((socket) => socket.once("data", () => act(socket)));
    const { client, log } = listen(url, { ...PLAIN, reconnect: false });
    client.send("go");
    await until(() => client.state === "closed");
    expect(log).toEqual([
      "open",
      expect.objectContaining({
        code: "CONNECTION_FAILED",
        message: expect.stringMatching(`^the connection to ${url} broke: `),
        cause: expect.objectContaining({ code }),
      }),
      { ...NOTHING, code: 1006, reason: "", wasClean: false, willRetry: false },
    ]);
  });

  test("is told nothing of a peer that hangs up while the client closes", async () => {
    const url = await serveRaw((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const { client, log } = listen(url, { ...PLAIN, reconnect: false });
    await client.opened;
    client.close();
    await until(() => client.state === "closed");
    expect(log).toEqual(["open", { ...NOTHING, code: 1006, reason: "", wasClean: false, willRetry: false }]);
  });

  test("is told of a server that hangs up without an answer, and of a port without a server", async () => {
    const rude = createTcpServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(rude, "listening");
    const url = urlOf(rude);
    await expect(open(url, { reconnect: false }).opened).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
    rude.close();
    await once(rude, "close");
    await expect(open(url, { reconnect: false }).opened).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
      message: expect.stringContaining(`cannot connect to ${url}: connect ECONNREFUSED`),
      cause: expect.objectContaining({ code: "ECONNREFUSED" }),
    });
  });

  test("that is closed before its first socket is made makes none", async () => {
    const { server, url } = await servePlain();
    let connections = 0;
    server.on("connection", () => connections++);
    const client = open(url, PLAIN);
    client.close();
    await expect(client.opened).rejects.toMatchObject({ code: "CLOSED" });
    expect(client.state).toBe("closed");
    await open(url, PLAIN).opened;
    expect(connections).toBe(1);
  });
});

describe("a process", () => {
  test("ends by itself when its client has closed, and no rejection ends it before", async () => {
    const server = await serveEcho();
    const { code, stdout, stderr } = await runCode(`
      import { connect } from "sendall/client";
      const refused = connect("${server.url.replace("ws:", "http:")}", { protocols: "x", headers: { origin: "http://elsewhere" } });
      const lost = connect("ws://127.0.0.1:1", { reconnect: { attempts: 1, minMs: 1 } });
      const early = connect("${server.url}");
      early.close();
      const client = connect("${server.url}", { onMessage: (data) => { console.log(data); client.close(); } });
      client.send("echo");
      process.on("exit", () => console.log([refused, lost, early, client].map(({ state }) => state).join(" ")));
    `).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: ["echo", "closed closed closed closed"], stderr: [] });
  });

  test("is kept alive by a client that waits", async () => {
    const server = await serveEcho();
    const { port } = server;
    await server.close();
    const program = runCode(`
      import { connect } from "sendall/client";
      const client = connect("ws://127.0.0.1:${port}/", {
        reconnect: { minMs: 1, maxMs: 20 },
        onClose: ({ willRetry }) => { if (willRetry) console.log("waiting"); },
        onOpen: () => { console.log("open"); client.close(); },
      });
    `);
    await program.stdout.next(/^waiting$/);
    await program.stdout.next(/^waiting$/);
    await serveEcho(port);
    const { code, stdout } = await program.ended;
    expect([code, stdout.at(-1)]).toEqual([0, "open"]);
  });
});

/** Time for a client that passes when the test says so: its waits are over at once. */
class HandTimers {
  readonly #rings = new Map<number, () => void>();
  #ids = 0;

  get size(): number {
    return this.#rings.size;
  }

  setTimeout(ring: () => void, _ms: number): number {
    this.#rings.set(++this.#ids, ring);
    return this.#ids;
  }

  clearTimeout(id: number): void {
    this.#rings.delete(id);
  }

  random(): number {
    return 0;
  }

  ringAll(): void {
    const rings = [...this.#rings.values()];
    this.#rings.clear();
    for (const ring of rings) ring();
  }
}

const CLOCK: unique symbol = Symbol.for("sendall.clock");

describe("100 restarts of the server under a steady stream", () => {
  const RESTARTS = 100;
  const MAX_MESSAGES = 5;

  test("lose nothing that was acknowledged, send nothing twice, and leave nothing behind", async () => {
    const timers = new HandTimers();
    const sockets: WebSocket[] = [];
    class Socket extends WebSocket {
      static readonly [CLOCK] = timers;
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): number => unhandled.push(reason);
    process.on("unhandledRejection", onUnhandled);
    onTestFinished(() => void process.off("unhandledRejection", onUnhandled));

    const received: string[] = [];
    let opens = 0;
    /** The first message of each connection. */
    const firsts = new Map<string, string>();
    const start = (port: number): Promise<Server> =>
      serve({
        port,
        logger: false,
        handler(event, bus) {
          if (event.type !== "message") return;
          const { connection, text } = event;
          // Ids begin anew with each server.
          const id = `${opens} ${connection.id}`;
          if (!firsts.has(id)) firsts.set(id, text);
          if (text === "join") return;
          received.push(text);
          bus.unicast(text, connection);
        },
      });
    let server = await start(0);
    onTestFinished(() => server.close());
    const { port } = server;

    const echoed: string[] = [];
    const client = open(server.url, {
      WebSocket: Socket,
      offline: { maxMessages: MAX_MESSAGES },
      onOpen: () => {
        opens++;
        client.send("join");
      },
      onMessage: (data) => echoed.push(String(data)),
    });

    /** Every message that `send` took, and how many of them in a row while there was no connection. */
    const taken: string[] = [];
    let refused = 0;
    let mostOffline = 0;
    let offline = 0;
    let number = 0;
    const stream = (): void => {
      const isOnline = client.state === "open" && sockets.at(-1)?.readyState === WebSocket.OPEN;
      const text = String(number++);
      if (!client.send(text)) refused++;
      else {
        taken.push(text);
        offline = isOnline ? 0 : offline + 1;
        mostOffline = Math.max(mostOffline, offline);
      }
    };
    const streamUntil = (holds: () => boolean): Promise<void> =>
      until(() => {
        stream();
        return holds();
      });

    for (let i = 0; i < RESTARTS; i++) {
      const heard = echoed.length;
      await streamUntil(() => echoed.length > heard + 3);
      // By turns the server says goodbye, or is simply gone.
      if (i % 2 === 1) for (const connection of server.connections()) connection.terminate();
      let isClosed = false;
      void server.close().then(() => {
        isClosed = true;
      });
      const before = refused;
      await streamUntil(() => isClosed && client.state === "waiting" && refused > before);
      server = await start(port);
      timers.ringAll();
      const target = opens;
      await streamUntil(() => opens > target);
    }
    client.send("last");
    await until(() => echoed.at(-1) === "last");
    client.close();
    await until(() => client.state === "closed");

    expect(opens).toBe(RESTARTS + 1);
    expect([...firsts.values()]).toEqual(Array.from({ length: RESTARTS + 1 }, () => "join"));
    // Nothing twice and everything in the order of the calls, at the server and back.
    for (const list of [received.slice(0, -1), echoed.slice(0, -1)].map((texts) => texts.map(Number)))
      expect(list.every((value, i) => i === 0 || value > (list[i - 1] ?? 0))).toBe(true);
    const arrived = new Set(received);
    expect(echoed.filter((text) => !arrived.has(text))).toEqual([]);
    const accepted = new Set([...taken, "last"]);
    expect(received.filter((text) => !accepted.has(text))).toEqual([]);
    expect(mostOffline).toBe(MAX_MESSAGES);
    expect(timers.size).toBe(0);
    expect(sockets.filter(({ readyState }) => readyState !== WebSocket.CLOSED)).toEqual([]);
    expect(sockets).toHaveLength(RESTARTS + 1);
    expect(unhandled).toEqual([]);
  });
});
