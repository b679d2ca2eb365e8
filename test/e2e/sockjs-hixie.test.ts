/** WebSockets of the draft hixie-76: only where they are asked for, and then as the draft has them. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { closeByHand, nextRound, RawPeer, until } from "./peers.js";
import { newSession, openEcho, untilOpen } from "./sockjs-peers.js";

const KEYS = { "Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00" };
const NONCE = "aaaaaaaa";
const PROOF = "ca3400d8a50847972cd5715ababf437b";

function handshake(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const all: Record<string, string> = {
    Host: "localhost",
    Connection: "Upgrade",
    Upgrade: "WebSocket",
    Origin: "http://localhost",
    ...KEYS,
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== "");
  return `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0]), Buffer.from(text), Buffer.from([0xff])]);
}

async function legacy(options: Parameters<typeof openEcho>[0] = {}) {
  return openEcho({ sockjs: { legacy: true }, ...options });
}

/** Bytes after the head of the answer. */
function body(peer: RawPeer): Buffer {
  const end = peer.bytes.indexOf("\r\n\r\n");
  return end < 0 ? Buffer.alloc(0) : peer.bytes.subarray(end + 4);
}

async function openPeer(port: number): Promise<RawPeer> {
  const peer = new RawPeer(port);
  peer.write(handshake(`${newSession("/echo")}/websocket`) + NONCE);
  await until(() => body(peer).length >= 19);
  return peer;
}

describe("a handshake of hixie-76", () => {
  test("is answered before the nonce is there, and proved when it is", async () => {
    const { port } = await legacy();
    const path = `${newSession("/echo")}/websocket`;
    const peer = new RawPeer(port);
    peer.write(handshake(`${path}?x=1`));
    await until(() => peer.bytes.includes("\r\n\r\n"));
    const head = peer.bytes.toString().split("\r\n\r\n")[0]?.split("\r\n");
    expect(head).toEqual([
      "HTTP/1.1 101 WebSocket Protocol Handshake",
      "Upgrade: WebSocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Origin: http://localhost",
      `Sec-WebSocket-Location: ws://localhost${path}?x=1`,
    ]);
    expect(body(peer)).toHaveLength(0);
    peer.write(NONCE.slice(0, 3));
    peer.write(NONCE.slice(3));
    await until(() => body(peer).length >= 19);
    expect(body(peer).subarray(0, 16).toString("hex")).toBe(PROOF);
    expect(body(peer).subarray(16)).toEqual(frame("o"));
    peer.socket.destroy();
  });

  test("that has no nonce yet ends with the server", async () => {
    const { server, clock, port } = await legacy();
    const peer = new RawPeer(port);
    peer.write(handshake(`${newSession("/echo")}/websocket`));
    await until(() => peer.bytes.includes("\r\n\r\n"));
    const closing = closeByHand(server, clock);
    peer.write(NONCE);
    await closing;
    await until(() => peer.isEnded);
    expect([body(peer).length, server.stats().connections]).toEqual([0, 0]);
  });

  test("may come with the nonce and a message in one packet", async () => {
    const { port } = await legacy();
    const peer = new RawPeer(port);
    const request = Buffer.from(handshake(`${newSession("/echo")}/websocket`) + NONCE);
    peer.write(Buffer.concat([request, frame('["early"]')]));
    await until(() => body(peer).includes("early"));
    expect(body(peer).subarray(16)).toEqual(Buffer.concat([frame("o"), frame('a["early"]')]));
    peer.socket.destroy();
  });

  test.each([
    ["without the option", { sockjs: true }, {}, "Sec-WebSocket-Key header is missing"],
    ["whose key has no blanks", {}, { "Sec-WebSocket-Key1": "123" }, "not a handshake of hixie-76"],
    ["whose key cannot be divided", {}, { "Sec-WebSocket-Key2": "1 1 1" }, "not a handshake of hixie-76"],
    ["without an origin", {}, { Origin: "" }, "not a handshake of hixie-76"],
  ] as const)("%s is refused", async (_case, options, headers, problem) => {
    const { port, server } = await legacy(options);
    const peer = new RawPeer(port);
    peer.write(handshake(`${newSession("/echo")}/websocket`, headers));
    await until(() => peer.isEnded);
    expect(peer.bytes.toString()).toMatch(/^HTTP\/1.1 400 /);
    expect(peer.bytes.toString()).toContain(problem);
    expect(server.stats().connections).toBe(0);
  });

  test("is judged by its origin and by authorize as any other", async () => {
    const { port } = await legacy({ origins: "same" });
    const peer = new RawPeer(port);
    peer.write(handshake(`${newSession("/echo")}/websocket`, { Origin: "http://evil.example" }));
    await until(() => peer.isEnded);
    expect(peer.bytes.toString()).toMatch(/^HTTP\/1.1 403 /);
  });

  test.each(["time", "leave", "reset"])("whose nonce never comes gives its place back: %s", async (ending) => {
    const { port, server, clock } = await legacy({ maxConnections: 1, handshakeTimeoutMs: 1_000 });
    const peer = new RawPeer(port);
    peer.write(handshake(`${newSession("/echo")}/websocket`));
    await until(() => peer.bytes.includes("\r\n\r\n"));
    if (ending === "time") clock.pass(1_000);
    if (ending === "leave") peer.socket.end();
    if (ending === "reset") peer.socket.resetAndDestroy();
    await until(() => peer.isEnded);
    const next = await openPeer(port);
    expect(server.stats().connections).toBe(1);
    next.socket.destroy();
  });
});

describe("a session over hixie-76", () => {
  test("carries text in both directions, also cut in pieces", async () => {
    const { port } = await legacy();
    const peer = await openPeer(port);
    for (const byte of frame('["é","\\u2028"]')) peer.write(Buffer.from([byte]));
    await until(() => body(peer).includes("2028"));
    expect(body(peer).subarray(19)).toEqual(frame('a["é","\\u2028"]'));
    peer.write(Buffer.concat([frame(""), frame("[]"), frame('["b"]')]));
    await until(() => body(peer).includes('a["b"]'));
    peer.socket.destroy();
  });

  test("is closed by the program with a frame of SockJS, then its own", async () => {
    const { port, events } = await legacy({
      handler(event) {
        if (event.type === "message") event.connection.close(3000, "Go away!");
      },
    });
    const peer = await openPeer(port);
    peer.write(frame('["x"]'));
    await until(() => body(peer).includes(Buffer.from([0xff, 0x00])));
    expect(body(peer).subarray(19)).toEqual(Buffer.concat([frame('c[3000,"Go away!"]'), Buffer.from([0xff, 0])]));
    peer.write(Buffer.from([0xff, 0]));
    await until(() => peer.isEnded);
    await until(() => events.at(-1)?.type === "closed");
    expect(events.at(-1)).toMatchObject({ code: 3000, reason: "Go away!", wasClean: true, by: "server" });
  });

  test("breaks the framing, and is answered by a closing frame alone", async () => {
    const { port, events } = await legacy();
    const peer = await openPeer(port);
    peer.write(frame('["a'));
    await until(() => body(peer).includes(Buffer.from([0xff, 0x00])));
    expect(body(peer).subarray(19)).toEqual(Buffer.from([0xff, 0]));
    peer.write(Buffer.from([0xff, 0]));
    await until(() => peer.isEnded);
    await until(() => events.at(-1)?.type === "closed");
    expect(events.at(-1)).toMatchObject({ code: 3000, reason: "Broken framing.", wasClean: true, by: "server" });
  });

  test.each([
    ["broken framing", frame('["a'), { code: 3000, by: "server", wasClean: false }],
    ["its own closing frame", Buffer.from([0xff, 0]), { code: 1005, by: "peer", wasClean: true }],
  ])("whose peer stays after %s is cut when closeTimeoutMs is over", async (_case, last, ending) => {
    const { port, server, clock, events } = await legacy({ closeTimeoutMs: 1_000 });
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.write(`${handshake(`${newSession("/echo")}/websocket`)}${NONCE}`);
    await untilOpen(server, 1);
    socket.write(last);
    await until(() => Buffer.concat(chunks).includes(Buffer.from([0xff, 0x00])));
    clock.pass(999);
    await nextRound();
    expect(events.map(({ type }) => type)).not.toContain("closed");
    clock.pass(1);
    await until(() => events.at(-1)?.type === "closed");
    expect(events.at(-1)).toMatchObject(ending);
    expect(server.stats().connections).toBe(0);
    socket.destroy();
  });

  test("is closed by the client, by the network, and by what is none of its frames", async () => {
    const { port, server, events } = await legacy({ maxPayloadBytes: 100 });
    const ends: (Buffer | "end" | "reset")[] = [
      Buffer.from([0xff, 0]),
      "end",
      "reset",
      Buffer.from([0x81, 0x01, 0x41]),
      frame("x".repeat(101)),
    ];
    const seen: string[] = [];
    for (const end of ends) {
      const peer = await openPeer(port);
      await untilOpen(server, 1);
      if (end === "end") peer.socket.end();
      else if (end === "reset") peer.socket.resetAndDestroy();
      else peer.write(end);
      await until(() => peer.isEnded && server.stats().connections === 0);
      await until(() => events.at(-1)?.type === "closed");
      const last = events.at(-1);
      if (last?.type === "closed") seen.push(`${last.code} ${last.by} ${last.wasClean}`);
      events.length = 0;
    }
    expect(seen).toEqual([
      "1005 peer true",
      "1006 lost false",
      "1006 lost false",
      "1006 lost false",
      "1009 server false",
    ]);
  });

  test("has no pings, and h frames all the same", async () => {
    const { port, server, clock } = await legacy();
    const peer = await openPeer(port);
    await untilOpen(server, 1);
    expect(server.connections()[0]).toMatchObject({ transport: "websocket", version: 0 });
    expect(server.connections()[0]?.ping()).toBe(false);
    expect(server.sendall(Buffer.from("bytes"))).toMatchObject({ dropped: 1 });
    clock.pass(25_000);
    clock.pass(25_000);
    await until(() => body(peer).length >= 19 + 6);
    expect(body(peer).subarray(19)).toEqual(Buffer.concat([frame("h"), frame("h")]));
    expect(server.stats().connections).toBe(1);
    peer.socket.destroy();
  });
});
