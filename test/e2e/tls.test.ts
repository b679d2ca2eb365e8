/** `tls`: sockets over TLS, with certificates that are made here, and peers that do not speak it. */
import { once } from "node:events";
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { serve } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { answerOf, Doorkeeper, rememberLines } from "./asking.js";
import { clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const authority = makeCertificate("our authority");
const ours = makeCertificate("our server", authority);
const tls = { cert: ours.cert, key: ours.key };

function open(url: string, options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(url, { ca: authority.cert, ...options });
  socket.on("error", () => {});
  onTestFinished(() => socket.terminate());
  return socket;
}

describe("a server with tls", () => {
  test("echoes to those who trust its authority, at wss", async () => {
    const seen: unknown[] = [];
    const { server } = await serveByHand({
      tls,
      handler(event, bus) {
        const { secure, peerCertificate } = event.connection ?? {};
        if (event.type === "open") seen.push(secure, peerCertificate);
        if (event.type === "message") bus.unicast(event.data, event.connection);
      },
    });
    expect(server.url).toBe(`wss://127.0.0.1:${server.port}/`);
    const socket = open(server.url);
    await once(socket, "open");
    const message = "x".repeat(300_000);
    socket.send(message);
    expect(String((await once(socket, "message"))[0])).toBe(message);
    expect(seen).toEqual([true, undefined]);
    const stranger = open(server.url, { ca: makeCertificate("another").cert });
    expect((await once(stranger, "error"))[0]).toBeInstanceOf(Error);
  });

  test("does not lose what is sent before it lets the peer in", async () => {
    const door = new Doorkeeper();
    const { server } = await serveByHand({
      tls,
      authorize: door.authorize,
      handler: (event, bus) => void (event.type === "message" && bus.unicast(event.data, event.connection)),
    });
    const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: authority.cert });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.write(upgradeRequest());
    const { request, answer } = await door.nth(1);
    expect(request.secure).toBe(true);
    socket.write(Buffer.concat(["a", "b", "c"].map((text) => clientFrame(text))));
    answer({});
    await until(() =>
      Buffer.concat(chunks).toString().endsWith("\x81\x01a\x81\x01b\x81\x01c".replace(/\x81/g, "\ufffd")),
    );
    socket.destroy();
  });

  test("tells authorize of a peer that leaves meanwhile", async () => {
    const door = new Doorkeeper();
    const { server, clock } = await serveByHand({ tls, authorize: door.authorize, handler() {} });
    const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: authority.cert });
    socket.write(upgradeRequest());
    const { request } = await door.nth(1);
    socket.destroy();
    await until(() => request.signal.aborted);
    await until(() => clock.alarms === 0);
  });

  test("lets a handler send a healthy peer 1.5 MB in one event, whatever maxBufferedBytes says", async () => {
    const { server } = await serveByHand({
      tls,
      outbox: { maxBufferedBytes: 1_048_576 },
      handler(event, bus) {
        if (event.type !== "message") return;
        for (let i = 0; i < 24; i++) bus.unicast("x".repeat(65_536), event.connection);
      },
    });
    const socket = open(server.url);
    await once(socket, "open");
    let count = 0;
    let code = 0;
    socket.on("message", () => count++);
    socket.on("close", (closedWith) => {
      code = closedWith;
    });
    socket.send("go");
    await until(() => count === 24 || code !== 0);
    expect([count, code, server.stats().slowConsumers]).toEqual([24, 0, 0]);
  });
});

describe("client certificates", () => {
  const demanding = { ...tls, ca: authority.cert, requestCert: true, rejectUnauthorized: true };

  test("let in who has one, and show it", async () => {
    const client = makeCertificate("ann", authority);
    const seen: unknown[] = [];
    const { server } = await serveByHand({
      tls: demanding,
      handler: ({ type, connection }) => void (type === "open" && seen.push(connection.peerCertificate?.subject.CN)),
    });
    const socket = open(server.url, { cert: client.cert, key: client.key });
    await once(socket, "open");
    await until(() => seen.length === 1);
    expect(seen).toEqual(["ann"]);
  });

  test("refuse who has none, or one of somebody else", async () => {
    const opened: unknown[] = [];
    const { server, clock } = await serveByHand({ tls: demanding, handler: ({ type }) => void opened.push(type) });
    const self = makeCertificate("ann");
    for (const options of [{}, { cert: self.cert, key: self.key }]) {
      const socket = open(server.url, options);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect([opened, server.stats().connections]).toEqual([[], 0]);
    await until(() => clock.alarms === 0);
  });

  test("are not shown where nobody asks for them", async () => {
    const client = makeCertificate("ann", authority);
    const seen: unknown[] = [];
    const { server } = await serveByHand({
      tls,
      handler: ({ type, connection }) => void (type === "open" && seen.push(connection.peerCertificate)),
    });
    const socket = open(server.url, { cert: client.cert, key: client.key });
    await once(socket, "open");
    await until(() => seen.length === 1);
    expect(seen).toEqual([undefined]);
  });
});

describe("a peer of a TLS port", () => {
  test.each([
    ["plain WebSocket", upgradeRequest()],
    ["plain HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["nonsense", "hello\r\n"],
  ])("that speaks %s is cut, logged once, and nothing is left of it", async (_what, bytes) => {
    const { lines, logger } = rememberLines();
    const { server, clock } = await serveByHand({ tls, logger, handler() {} });
    const peer = new RawPeer(server.port);
    peer.socket.allowHalfOpen = true;
    peer.write(bytes);
    await once(peer.socket, "end").catch(() => {});
    await until(() => clock.alarms === 0);
    expect(peer.bytes.includes("HTTP/1.1")).toBe(false);
    const info = lines.filter(({ line }) => line !== "listening");
    expect(info.map(({ level, line }) => [level, line])).toEqual([["info", "TLS handshake failed"]]);
    peer.socket.destroy();
    const socket = open(server.url);
    await once(socket, "open");
  });

  test("that says nothing is cut after handshakeTimeoutMs", async () => {
    const { server, clock } = await serveByHand({ tls, handshakeTimeoutMs: 500_000, handler() {} });
    const peer = new RawPeer(server.port);
    await until(() => clock.alarms === 1);
    clock.pass(499_999);
    const socket = open(server.url);
    await once(socket, "open");
    expect(peer.isEnded).toBe(false);
    clock.pass(1);
    await until(() => peer.isEnded);
    expect(peer.bytes).toHaveLength(0);
  });

  test("that shakes hands and then says nothing is 408, counted from when it came", async () => {
    const { server, clock } = await serveByHand({ tls, handshakeTimeoutMs: 500, handler() {} });
    const raw = new RawPeer(server.port);
    await until(() => clock.alarms === 1);
    clock.pass(300);
    raw.socket.removeAllListeners("data");
    const socket = connectTls({ socket: raw.socket, ca: authority.cert });
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    await once(socket, "secureConnect");
    // The server's end of the handshake is over when it answers.
    socket.write("GET / HTTP/1.1\r\n");
    await once(socket, "session");
    clock.pass(200);
    await until(() => raw.isEnded);
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(clock.alarms).toBe(0);
  });

  test("does not hold up a server that closes, however silent", async () => {
    const { server, clock } = await serveByHand({ tls, handler() {} });
    const peers = [new RawPeer(server.port), new RawPeer(server.port)];
    // Accepted after both.
    await once(open(server.url), "open");
    await server.close();
    await until(() => peers.every(({ isEnded }) => isEnded));
    expect(clock.alarms).toBe(0);
  });
});

describe("a bad option tls", () => {
  test.each([
    [
      "a broken certificate",
      { cert: "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", key: ours.key },
    ],
    ["a broken key", { cert: ours.cert, key: "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n" }],
    ["a key of another certificate", { cert: ours.cert, key: authority.key }],
    ["no certificate", {}],
    ["a key alone", { key: ours.key }],
    ["a certificate alone", { cert: ours.cert }],
    ["an empty certificate", { cert: "", key: ours.key }],
    ["an empty key", { cert: ours.cert, key: "" }],
    ["lists of none", { cert: [], key: [] }],
    ["an empty archive", { pfx: "" }],
    ["versions that nobody can meet", { ...tls, minVersion: "TLSv1.3", maxVersion: "TLSv1.2" } as const],
  ])("is BAD_OPTION with nothing left listening: %s", async (_what, broken) => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const address = holder.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    holder.close();
    await once(holder, "close");
    const stopped: string[] = [];
    const handler = { init: () => 0, handle() {}, stop: () => void stopped.push("stop") };
    await expect(serve({ port, logger: false, tls: broken, handler })).rejects.toMatchObject({
      code: "BAD_OPTION",
      option: "tls",
      message: expect.stringMatching(/^tls: /),
    });
    expect(stopped).toEqual(["stop"]);
    const peer = new RawPeer(port);
    expect((await answerOf(peer)).status).toBeNaN();
  });
});

describe("an option tls without PEM", () => {
  const GOT_PATH = "got a path: read the file, readFileSync(…)";
  test.each<[string, object, string, string]>([
    ["a path of a key", { cert: ours.cert, key: "/etc/ssl/key.pem" }, "tls.key", GOT_PATH],
    ["a path of a certificate", { cert: "cert.pem", key: ours.key }, "tls.cert", GOT_PATH],
    ["a path of Windows", { cert: "C:\\tls\\cert", key: ours.key }, "tls.cert", GOT_PATH],
    ["a path of an authority, which Node ignores", { ...tls, ca: "./ca.pem" }, "tls.ca", GOT_PATH],
    ["a path in a list", { ...tls, ca: [authority.cert, "./ca.pem"] }, "tls.ca[1]", GOT_PATH],
    ["a path in an object", { ...tls, key: [{ pem: "./key.pem" }] }, "tls.key[0].pem", GOT_PATH],
    ["a path as bytes", { ...tls, key: Buffer.from("./key.pem") }, "tls.key", GOT_PATH],
    ["a word", { ...tls, key: "nonsense" }, "tls.key", 'got no "-----BEGIN …"'],
    [
      "bytes of another format",
      { ...tls, cert: Buffer.of(0x30, 0x82, 10, 47, 0) },
      "tls.cert",
      'got no "-----BEGIN …"',
    ],
  ])("is BAD_OPTION with the name of the option: %s", async (_what, broken, option, got) => {
    await expect(serve({ port: 0, logger: false, tls: broken, handler() {} })).rejects.toMatchObject({
      code: "BAD_OPTION",
      option,
      message: `${option}: expected the content of a PEM file, ${got}`,
    });
  });

  test("is accepted in every form of PEM that Node takes", async () => {
    const forms = {
      cert: [Buffer.from(ours.cert)],
      key: [{ pem: ours.key }],
      ca: [authority.cert, Buffer.from(ours.cert)],
    };
    const { server } = await serveByHand({ tls: forms, handler() {} });
    await once(open(server.url), "open");
  });
});

test("a handshake may take longer than a native timer counts", async () => {
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  const { server } = await serveByHand({ tls, handshakeTimeoutMs: 2 ** 40, handler() {} });
  const socket = open(server.url);
  await once(socket, "open");
  expect(warnings).toEqual([]);
});
