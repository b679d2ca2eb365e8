/** The first bytes of a connection: however a handshake is cut into packets, the connection is the same. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect as connectTls } from "node:tls";
import type { UpgradeRequest } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { upgradeWith } from "./asking.js";
import { clientFrame, nextRound, RawPeer, serveByHand, until } from "./peers.js";

const HEADERS = {
  Origin: "http://127.0.0.1",
  Cookie: "user=ada; theme=dark",
  "User-Agent": "a browser",
  "Sec-WebSocket-Protocol": "v2, v1",
};
const REQUEST = upgradeWith(HEADERS, "/room?x=1");

/** Ways to send a handshake and the first message. */
const PACKETS: readonly (readonly [how: string, cut: (bytes: Buffer, headEnd: number) => readonly Buffer[]])[] = [
  ["in one packet", (bytes) => [bytes]],
  ["the message in a packet of its own", (bytes, end) => [bytes.subarray(0, end), bytes.subarray(end)]],
  ["half of the head first", (bytes) => [bytes.subarray(0, 100), bytes.subarray(100)]],
  ["all but the last byte of the head first", (bytes, end) => [bytes.subarray(0, end - 1), bytes.subarray(end - 1)]],
  ["half of the message with the head", (bytes, end) => [bytes.subarray(0, end + 3), bytes.subarray(end + 3)]],
];

async function serveFacts() {
  const asked: UpgradeRequest[] = [];
  const { server } = await serveByHand({
    protocols: ["v1", "v2"],
    authorize: (request) => {
      asked.push(request);
      return {};
    },
    handler: (event, bus) => {
      if (event.type !== "message") return;
      const { path, query, headers, cookies, protocol, remoteAddress } = event.connection;
      const facts = { path, query: [...query], headers, cookies, protocol, remoteAddress, said: event.data };
      bus.unicast(JSON.stringify(facts), event.connection);
    },
  });
  return { server, asked };
}

/** Resolves when the server has answered a plain request: what arrived before has been read by then. */
async function answered(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/`)).text();
}

/** What the request is to the program, without what is of the socket alone. */
const shown = ({ raw, path, headers, cookies, protocols, origin, secure }: UpgradeRequest) => ({
  ...{ path, headers, cookies, protocols, origin, secure },
  raw: { ...raw?.headers, url: raw?.url, method: raw?.method, version: raw?.httpVersion, lines: raw?.rawHeaders },
});

test("the facts of a connection are the same, however the request is cut", async () => {
  const { server, asked } = await serveFacts();
  const bytes = Buffer.concat([Buffer.from(REQUEST), clientFrame("hello")]);
  const facts: string[] = [];
  for (const [, cut] of PACKETS) {
    const peer = new RawPeer(server.port);
    peer.socket.setNoDelay(true);
    for (const packet of cut(bytes, REQUEST.length)) {
      peer.write(packet);
      await answered(server.port);
    }
    await until(() => peer.frames.length === 1);
    facts.push(peer.frames[0]?.payload.toString() ?? "");
  }
  expect(JSON.parse(facts[0] ?? "")).toMatchObject({
    path: "/room",
    query: [["x", "1"]],
    headers: { "user-agent": "a browser", cookie: "user=ada; theme=dark" },
    cookies: { user: "ada", theme: "dark" },
    protocol: "v1",
    remoteAddress: "127.0.0.1",
    said: "hello",
  });
  expect(new Set(facts).size).toBe(1);
  expect(asked).toHaveLength(PACKETS.length);
  for (const request of asked.slice(1)) expect(shown(request)).toEqual(shown(asked[0] as UpgradeRequest));
});

test.each(PACKETS)("a message over TLS arrives: %s", async (_how, cut) => {
  const { cert, key } = await makeCertificate("a test");
  const said: unknown[] = [];
  const { server } = await serveByHand({
    tls: { cert, key },
    handler: (event) => void (event.type === "message" && said.push(event.data)),
  });
  const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  const request = upgradeWith(HEADERS);
  const bytes = Buffer.concat([Buffer.from(request), clientFrame("hello")]);
  for (const packet of cut(bytes, request.length)) {
    socket.write(packet);
    // A record of its own, and a read of its own in all likelihood; the message arrives whatever is read at once.
    for (let i = 0; i < 20; i++) await nextRound();
  }
  await until(() => said.length === 1);
  expect(said).toEqual(["hello"]);
});

test("over TLS, sockets may be paused at first", async () => {
  const { cert, key } = await makeCertificate("a test");
  const opened: unknown[] = [];
  const { server } = await serveByHand({
    tls: { cert, key, pauseOnConnect: true },
    handler: ({ type }) => void opened.push(type),
  });
  const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  socket.write(upgradeWith(HEADERS));
  await until(() => opened.length === 1);
});

test("a limit for heads among the options of tls is kept", async () => {
  const { cert, key } = await makeCertificate("a test");
  const { server } = await serveByHand({ tls: { cert, key, ...{ maxHeaderSize: 300 } }, handler() {} });
  const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  socket.write(upgradeWith({ "X-Long": "a".repeat(400) }));
  const [answer] = await once(socket, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /);
});

describe("a connection that says nothing", () => {
  test("is closed when the peer ends its side", async () => {
    const { server } = await serveByHand({ handler() {} });
    const peer = new RawPeer(server.port);
    await once(peer.socket, "connect");
    peer.socket.end();
    await until(() => peer.isEnded);
    expect(peer.bytes).toHaveLength(0);
  });

  test("may be reset: the next one is served", async () => {
    const { server } = await serveByHand({ handler() {} });
    const uncaught: unknown[] = [];
    const onUncaught = (error: unknown): void => void uncaught.push(error);
    process.on("uncaughtException", onUncaught);
    onTestFinished(() => void process.off("uncaughtException", onUncaught));
    const peer = new RawPeer(server.port);
    await once(peer.socket, "connect");
    await answered(server.port);
    peer.socket.resetAndDestroy();
    await until(() => peer.isEnded);
    await answered(server.port);
    expect(uncaught).toEqual([]);
  });

  test("does not keep a server from closing", async () => {
    const { server } = await serveByHand({ handshakeTimeoutMs: 3_600_000, handler() {} });
    const peer = new RawPeer(server.port);
    await once(peer.socket, "connect");
    await answered(server.port);
    await server.close();
    await until(() => peer.isEnded);
  });
});

test.each([1_000, 20_000_000])(
  "a body that is not read is left in the network: %i bytes with the head",
  async (size) => {
    const asked: IncomingMessage[] = [];
    const { server } = await serveByHand({
      onRequest(request) {
        request.pause();
        asked.push(request);
      },
      handler() {},
    });
    const peer = new RawPeer(server.port);
    const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000000\r\n\r\n";
    peer.write(Buffer.concat([Buffer.from(head), Buffer.alloc(size)]));
    await until(() => asked.length === 1);
    for (let i = 0; i < 20; i++) {
      peer.write(Buffer.alloc(1_000_000));
      for (let rounds = 0; rounds < 10; rounds++) await nextRound();
    }
    // What Node holds of a request, and what it had read before it could pause.
    expect(asked[0]?.socket.bytesRead).toBeLessThan(1_000_000);
    peer.socket.destroy();
  },
);

test("a plain request and a handshake follow each other on a connection", async () => {
  const said: unknown[] = [];
  const { server } = await serveByHand({
    onRequest: (request, response) => void response.end(`you asked for ${request.url}`),
    handler: (event) => void (event.type === "message" && said.push(event.data)),
  });
  const peer = new RawPeer(server.port);
  peer.write("GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await until(() => peer.bytes.includes("you asked for /page"));
  peer.write(Buffer.concat([Buffer.from(upgradeWith(HEADERS)), clientFrame("hello")]));
  await until(() => said.length === 1);
  expect(said).toEqual(["hello"]);
});
