/**
 * The subprotocol `sendall.1` over real sockets: what a handshake offers and gets, what is seen of the offer, what stands on the wire.
 * `test/unit/transport/session-transport.test.ts` has the frames one by one.
 */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { pino } from "pino";
import type { AccessEntry, Bus, ServerEvent, UpgradeRequest } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { answerTo, upgradeWith } from "./asking.js";
import { Client, clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import { ask, newSession } from "./sockjs-peers.js";

const SECRET = "AbCdEfGhIjKlMnOpQrStUv";
const RESUME = `sendall.1.${SECRET}.17.0.2`;
const WELCOME =
  '~{"session":null,"resumed":false,"why":"off","received":0,"from":0,"replayed":0,"lost":0,"graceMs":0,"heartbeatMs":45000}';

/** A WebSocket client that offers subprotocols. */
function open(url: string, protocols = ["sendall.1"], options = {}): Promise<Client> {
  return Client.open(url, options, protocols);
}

function texts({ received }: Client): string[] {
  return received.map(String);
}

function echo({ type, connection, data }: { type: string; connection?: unknown; data?: unknown }, bus: Bus): void {
  if (type === "message") bus.unicast(data as string, connection as Parameters<Bus["unicast"]>[1]);
}

describe("an offer", () => {
  test.each<[offer: string, ours: string[], answered: string, chosen: string]>([
    ["sendall.1", [], "sendall.1", ""],
    ["sendall.1", ["chat"], "sendall.1", ""],
    [`sendall.1, ${RESUME}`, [], "sendall.1", ""],
    ["sendall.1, sendall.1.nonsense", [], "sendall.1", ""],
    [RESUME, [], "", ""],
    ["chat+sendall.1, chat", ["chat"], "chat+sendall.1", "chat"],
    [`chat+sendall.1, chat, ${RESUME}`, ["chat"], "chat+sendall.1", "chat"],
    ["a+sendall.1, a, b+sendall.1, b", ["b", "a"], "b+sendall.1", "b"],
    ["a+sendall.1, a, b", ["b", "a"], "b", "b"],
    ["a+sendall.1, a", ["b"], "", ""],
    ["chat+sendall.1", ["chat"], "chat+sendall.1", "chat"],
    ["chat", ["chat"], "chat", "chat"],
    ["chat, sendall.1", ["chat"], "chat", "chat"],
    ["sendall.2", [], "", ""],
  ])(
    "of %s to a server with %j is answered by %j, and the connection says %j",
    async (offer, protocols, answered, chosen) => {
      const { server } = await serveByHand({ protocols, handler() {} });
      const { status, head, peer } = await answerTo(server.port, upgradeWith({ "Sec-WebSocket-Protocol": offer }));
      await until(() => server.connections().length === 1);
      server.sendall("hello");
      const hasSession = answered.endsWith("sendall.1");
      await until(() => peer.frames.length === (hasSession ? 2 : 1));
      expect(status).toBe(101);
      expect(/^sec-websocket-protocol: (.*)$/im.exec(head)?.[1] ?? "").toBe(answered);
      expect(server.connections()[0]?.protocol).toBe(chosen);
      expect(peer.frames.map(({ payload }) => String(payload))).toEqual(hasSession ? [WELCOME, "hello"] : ["hello"]);
      peer.socket.destroy();
      await using runtime = createTestRuntime({ protocols, handler() {} });
      const client = await runtime.connect({ protocols: offer.split(", ") });
      expect([client.protocol, runtime.server.connections()[0]?.protocol]).toEqual([answered, chosen]);
      expect(client.received).toEqual(hasSession ? [WELCOME] : []);
    },
  );

  test("is answered to clients that check the answer: ws and the WebSocket of a test", async () => {
    const { server } = await serveByHand({ protocols: ["chat"], handler: echo });
    const [paired, bare] = await Promise.all([open(server.url, ["chat+sendall.1", "chat"]), open(server.url)]);
    expect([paired.ws.protocol, bare.ws.protocol]).toEqual(["chat+sendall.1", "sendall.1"]);
    await using runtime = createTestRuntime({ protocols: ["chat"], handler: echo });
    const socket = new runtime.WebSocket("/", ["chat+sendall.1", "chat", RESUME]);
    const messages: unknown[] = [];
    socket.onmessage = ({ data }) => void messages.push(data);
    await runtime.settle();
    expect([socket.readyState, socket.protocol, messages]).toEqual([1, "chat+sendall.1", [WELCOME]]);
  });

  test("is answered by SockJS's raw endpoint alone", async () => {
    const { server } = await serveByHand({
      protocols: ["chat"],
      routes: { "/echo": { sockjs: { legacy: true }, handler: echo } },
    });
    const offers = { "Sec-WebSocket-Protocol": `chat+sendall.1, chat, sendall.1, ${RESUME}` };
    for (const [path, answered, first] of [
      ["/echo/websocket", "chat+sendall.1", WELCOME],
      ["/echo", "chat+sendall.1", WELCOME],
      ["/echo/0/0/websocket", undefined, "o"],
    ] as const) {
      const { head, peer } = await answerTo(server.port, upgradeWith(offers, path));
      await until(() => peer.frames.length === 1);
      expect(/^sec-websocket-protocol: (.*)$/im.exec(head)?.[1]).toBe(answered);
      expect(String(peer.frames[0]?.payload)).toBe(first);
      peer.socket.destroy();
    }
    const hixie = new RawPeer(server.port);
    const keys = "Sec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 3 4\r\nOrigin: http://127.0.0.1";
    hixie.write(
      `GET /echo/0/0/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n${keys}\r\nSec-WebSocket-Protocol: sendall.1\r\n\r\n12345678`,
    );
    await until(() => hixie.isEnded || hixie.bytes.includes("\0o"));
    expect(hixie.bytes.toString("latin1")).toMatch(/^HTTP\/1.1 101/);
    expect(hixie.bytes.toString("latin1")).not.toMatch(/sendall|~/);
    hixie.socket.destroy();
  });

  test("has the welcome right behind the answer to the handshake, ahead of what open sends", async () => {
    const { server } = await serveByHand({
      handler: ({ type, connection }) => void (type === "open" && connection?.send("hello")),
    });
    const peer = new RawPeer(server.port);
    peer.write(upgradeWith({ "Sec-WebSocket-Protocol": "sendall.1" }));
    await until(() => peer.frames.length === 2);
    const [head, frames] = peer.bytes.toString("latin1").split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1.1 101 /);
    expect(frames).toBe(`\x81${String.fromCharCode(WELCOME.length)}${WELCOME}\x81\x05hello`);
    peer.socket.destroy();
  });
});

describe("the names of sessions", () => {
  /** What a program and its log see. */
  function watch() {
    const seen: unknown[] = [];
    const lines: string[] = [];
    const entries: AccessEntry[] = [];
    const note = (what: string, { headers }: Pick<UpgradeRequest, "headers">, ...more: unknown[]): void =>
      void seen.push([what, headers["sec-websocket-protocol"], ...more]);
    const logger = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
    return {
      seen,
      lines,
      entries,
      options: {
        logger,
        onAccess: (entry: AccessEntry) => void entries.push(entry),
        onRequest: (
          request: { headers: Record<string, unknown>; rawHeaders: string[] },
          response: { end(): void },
        ): void => {
          seen.push([
            "request",
            request.headers["sec-websocket-protocol"],
            request.rawHeaders.join(" ").includes(SECRET),
          ]);
          response.end();
        },
        authorize(request: UpgradeRequest) {
          note("authorize", request, request.protocols);
          if (request.query.has("throw")) throw new Error("no");
          return {};
        },
        handler: (event: ServerEvent): void => {
          if (event.type === "open") note("open", event.connection, event.connection.protocol);
        },
      },
    };
  }

  test.each<[what: string, lines: string[], left: string | undefined, protocols: string[]]>([
    ["nothing else", [`Sec-WebSocket-Protocol: sendall.1, ${RESUME}`], undefined, []],
    ["pairs", [`SEC-WEBSOCKET-PROTOCOL: b+sendall.1,b, a+sendall.1,a, ${RESUME}`], "b, a", ["b", "a"]],
    ["several headers", ["sec-websocket-protocol: a+sendall.1", `Sec-WebSocket-Protocol: ${RESUME}, a`], "a", ["a"]],
    ["another name", [`Sec-WebSocket-Protocol: other, sendall.1, ${RESUME}`], "other", ["other"]],
  ])("are seen by nothing but Node's request: %s", async (_what, headers, left, protocols) => {
    const { seen, options } = watch();
    const raw: (string | undefined)[] = [];
    const { server } = await serveByHand({
      ...options,
      protocols: ["a", "b"],
      authorize(request) {
        raw.push(request.raw?.headers["sec-websocket-protocol"]);
        return options.authorize(request);
      },
    });
    const { status, peer } = await answerTo(
      server.port,
      upgradeRequest().replace("\r\n\r\n", `\r\n${headers.join("\r\n")}\r\n\r\n`),
    );
    await until(() => seen.length === 2);
    expect(status).toBe(101);
    expect(seen).toEqual([
      ["authorize", left, protocols],
      ["open", left, protocols.find((name) => name === "a") ?? ""],
    ]);
    expect(raw).toEqual([expect.stringContaining(SECRET)]);
    peer.socket.destroy();
  });

  test("are in no log line and no access entry, whatever becomes of the request", async () => {
    const { seen, lines, entries, options } = watch();
    const { handler, ...others } = options;
    const { server } = await serveByHand({
      ...others,
      maxConnections: 3,
      routes: { "/chat": { sockjs: true, handler } },
    });
    const offer = { "Sec-WebSocket-Protocol": `sendall.1, ${RESUME}` };
    const { port } = server;
    const statuses: number[] = [];
    for (const request of [
      upgradeWith(offer, "/chat"),
      upgradeWith(offer, "/chat/websocket"),
      upgradeWith(offer, "/chat/0/0/websocket"),
      upgradeWith(offer, "/chat"),
      upgradeWith(offer, "/nowhere"),
      upgradeWith({ ...offer, Origin: "http://evil.example" }, "/chat"),
      upgradeWith({ "Sec-WebSocket-Protocol": `${RESUME}, ${RESUME}` }, "/chat"),
      upgradeWith({ ...offer, "Sec-WebSocket-Key": "none" }, "/chat"),
      upgradeWith({ ...offer, Upgrade: "h2c", Connection: "Upgrade, close" }, "/page"),
    ])
      statuses.push((await answerTo(port, request)).status);
    expect(statuses).toEqual([101, 101, 101, 503, 404, 403, 400, 400, 200]);
    for (const connection of server.connections()) connection.terminate();
    await until(() => server.stats().connections === 0);
    const { status } = await answerTo(port, upgradeWith(offer, "/chat?throw"));
    expect(status).toBe(500);
    expect((await ask(port, "POST", `${newSession("/chat")}/xhr`, { headers: offer })).status).toBe(200);
    await until(() => seen.length === 10);
    expect(seen.filter((one) => JSON.stringify(one).includes("request"))).toEqual([["request", undefined, false]]);
    expect(entries.length).toBeGreaterThan(8);
    expect(lines.length).toBeGreaterThan(8);
    for (const told of [seen, entries, lines]) expect(JSON.stringify(told)).not.toContain(SECRET);
    for (const told of [seen, entries]) expect(JSON.stringify(told)).not.toContain("sendall.1");
  });

  test("are not seen by onRequest where a proxy has lost the upgrade", async () => {
    const { seen, options } = watch();
    const { server } = await serveByHand(options);
    const header = `chat+sendall.1, chat, ${RESUME}`;
    const headers = { "Sec-WebSocket-Protocol": header };
    const [response] = await once(httpRequest({ port: server.port, headers }).end(), "response");
    response.resume();
    expect(seen).toEqual([["request", "chat", false]]);
  });

  test("are no names for the option protocols", async () => {
    for (const name of ["sendall.1", "sendall.1.x", "chat+sendall.1"])
      await expect(serveByHand({ protocols: ["chat", name], handler() {} })).rejects.toMatchObject({
        code: "BAD_OPTION",
        option: "protocols",
        message: expect.stringMatching(
          /^protocols: expected a list of names of subprotocols, without names of sessions/,
        ),
      });
  });
});

describe("a message", () => {
  test("and a control frame are told apart, both ways, over sockets", async () => {
    const events: string[] = [];
    const { server } = await serveByHand({
      handler(event, bus) {
        if (event.type === "message") events.push(event.text);
        echo(event, bus);
      },
    });
    const client = await open(server.url);
    for (const data of ["~~", "~~~", "~~h", "~x", "~h", "a~", Buffer.from("~h"), Buffer.from("~~")]) client.send(data);
    await until(() => client.received.length === 8);
    expect(events).toEqual(["~", "~~", "~h", "a~", "~h", "~~"]);
    const [welcome, ...others] = client.received;
    expect(welcome).toBe(WELCOME);
    // The answer may overtake messages, which wait for the end of the turn.
    expect(others.filter((data) => data !== "~h")).toEqual([
      "~~",
      "~~~",
      "~~h",
      "a~",
      Buffer.from("~h"),
      Buffer.from("~~"),
    ]);
    expect(others.filter((data) => data === "~h")).toHaveLength(1);
    expect(server.stats()).toMatchObject({ received: { messages: 6, bytes: 11 }, sent: { messages: 6, bytes: 11 } });
  });

  test("to a room reaches plain peers, sessions and SockJS, with compression and without, as each expects it", async () => {
    const { server } = await serveByHand({
      compression: true,
      routes: {
        "/chat": { sockjs: true, handler: (event) => void (event.type === "open" && event.connection.join("r")) },
      },
    });
    const url = `${server.url}chat`;
    const packing = { perMessageDeflate: { threshold: 0 } };
    const peers = {
      plain: await Client.open(url),
      packed: await Client.open(url, packing),
      session: await open(url),
      other: await open(url),
      packedSession: await open(url, undefined, packing),
      otherPackedSession: await open(`${url}/websocket`, undefined, packing),
      sockjs: await Client.open(`${url}/0/0/websocket`),
    };
    const clients = Object.values(peers);
    await until(() => server.connections().length === clients.length && server.members("r").length === clients.length);
    expect([peers.packed, peers.packedSession].map(({ ws }) => ws.extensions)).toEqual([
      "permessage-deflate",
      "permessage-deflate",
    ]);
    const large = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: "somebody" })));
    const messages = ["~h", large, `~${large}`, "~", "", "plain"];
    for (const text of messages) server.sendall(text, { room: "r" });
    const bytes = Buffer.concat([Buffer.from("~h"), Buffer.alloc(2_000)]);
    server.sendall(bytes, { room: "r" });
    server.sendall("end", { room: "r" });
    await until(() => clients.every((client) => texts(client).some((text) => text.includes("end"))));
    const escaped = messages.map((text) => (text.startsWith("~") ? `~${text}` : text));
    for (const client of [peers.plain, peers.packed]) expect(client.received).toEqual([...messages, bytes, "end"]);
    for (const client of [peers.session, peers.other, peers.packedSession, peers.otherPackedSession])
      expect(client.received).toEqual([WELCOME, ...escaped, bytes, "end"]);
    const [opened, ...frames] = texts(peers.sockjs);
    expect(opened).toBe("o");
    expect(frames.flatMap((frame) => JSON.parse(frame.slice(1)) as string[])).toEqual([...messages, "end"]);
  });

  test("with another ~ is compressed on the wire, once for all sessions", async () => {
    const { server } = await serveByHand({ compression: true, handler() {} });
    const peers = [1, 2].map(() => new RawPeer(server.port));
    const headers = { "Sec-WebSocket-Protocol": "sendall.1", "Sec-WebSocket-Extensions": "permessage-deflate" };
    for (const peer of peers) peer.write(upgradeWith(headers));
    await until(() => server.connections().length === 2);
    const text = `~${"somebody ".repeat(1_000)}`;
    server.sendall(text);
    await until(() => peers.every(({ frames }) => frames.length === 2));
    const [first, second] = peers.map(({ frames }) => frames[1]?.payload);
    expect(first?.length).toBeLessThan(text.length / 4);
    expect(second).toEqual(first);
    for (const peer of peers) peer.socket.destroy();
  });
});

test("a malformed acknowledgement closes the socket with 1002, and tells the handler why", async () => {
  const events: string[] = [];
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "error") events.push(event.error.message);
      if (event.type === "closed") events.push(`${event.code} ${event.by}`);
      echo(event, bus);
    },
  });
  const client = await open(server.url);
  for (const text of ["~a1", "before", "~a1.5", "after"]) client.send(text);
  expect(await client.ended()).toEqual({ code: 1002, reason: "malformed control frame" });
  expect(texts(client)).toEqual([WELCOME, "before"]);
  await until(() => events.length === 2);
  expect(events).toEqual([
    'acknowledgement: expected "~a" and a whole number from 0 to 9007199254740991, got "~a1.5"',
    "1002 server",
  ]);
});

test("a peer that asks without end for a sign of life gets one a second, and messages between", async () => {
  const { server, clock } = await serveByHand({ handler: echo });
  const client = await open(server.url);
  for (let second = 1; second <= 3; second++) {
    for (let i = 0; i < 200; i++) client.send("~h");
    client.send("sync");
    await until(() => texts(client).filter((text) => text === "sync").length === second);
    clock.pass(1_000);
  }
  client.send("end");
  await until(() => texts(client).includes("end"));
  expect(texts(client).filter((text) => text === "~h")).toHaveLength(4);
});

test("a session hears ~h between pings when nothing else is written, a plain peer only pings", async () => {
  const { server, clock } = await serveByHand({ heartbeat: { intervalMs: 1_000, timeoutMs: 500 }, handler() {} });
  const [plain, session] = [new RawPeer(server.port), new RawPeer(server.port)];
  plain.write(upgradeRequest());
  session.write(upgradeWith({ "Sec-WebSocket-Protocol": "sendall.1" }));
  await until(() => server.connections().length === 2);
  clock.pass(1_000);
  await until(() => plain.frames.length === 1 && session.frames.length === 3);
  expect(plain.frames.map(({ opcode }) => opcode)).toEqual([9]);
  const [welcome, ...others] = session.frames.map(({ opcode, payload }) => `${opcode} ${payload}`);
  expect([welcome, ...others.sort()]).toEqual([`1 ${WELCOME.replace("45000", "1500")}`, "1 ~h", "9 heartbeat"]);
  for (const peer of [plain, session]) peer.socket.destroy();
});

test("a plain peer has the same bytes on the wire as ever, whether or not others have sessions", async () => {
  const { server } = await serveByHand({ protocols: ["chat"], handler: echo });
  const session = await open(server.url, ["chat+sendall.1", "chat"]);
  const peer = new RawPeer(server.port);
  peer.write(upgradeWith({ "Sec-WebSocket-Protocol": "chat, sendall.10" }));
  peer.write(Buffer.concat([clientFrame("~h"), clientFrame("~a"), clientFrame(Buffer.from("~"), { opcode: 2 })]));
  await until(() => peer.frames.length === 3);
  server.sendall("~~");
  await until(() => peer.frames.length === 4 && texts(session).includes("~~~"));
  const head = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Sec-WebSocket-Protocol: chat",
  ];
  expect(peer.bytes.toString("latin1")).toBe(`${head.join("\r\n")}\r\n\r\n\x81\x02~h\x81\x02~a\x82\x01~\x81\x02~~`);
  peer.socket.destroy();
});
