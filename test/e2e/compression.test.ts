/** permessage-deflate (RFC 7692), in both directions, over real sockets. */
import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { Client, clientFrame, openClients, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const json = JSON.stringify(
  Array.from({ length: 100 }, (_, id) => ({ id, name: `somebody ${id}`, isHere: id % 2 === 0 })),
);
const bytes = Buffer.alloc(100_000, "binary ");

/** The message goes out to everybody. */
const relay = { compression: true, handler: sendAll };
function sendAll(event: { type: string; data?: unknown }, bus: { sendall(data: string | Uint8Array): unknown }): void {
  if (event.type !== "message") return;
  if (typeof event.data === "string" || event.data instanceof Uint8Array) bus.sendall(event.data);
}

/** An upgrade with an offer of the test's own. */
function offering(offer: string): string {
  return upgradeRequest().replace("\r\n\r\n", `\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`);
}

test("without the option nothing is agreed, and messages come as they are", async () => {
  const { server } = await serveByHand({ handler: sendAll });
  const client = await Client.open(server.url, { perMessageDeflate: true });
  expect(client.ws.extensions).toBe("");
  client.send(json);
  await until(() => client.received.length === 1);
  expect(client.received).toEqual([json]);
});

test("text and bytes, large and small, arrive whole and in order at clients that compress and clients that do not", async () => {
  const { server } = await serveByHand(relay);
  const packing = await Promise.all(
    [1, 2, 3].map(() => Client.open(server.url, { perMessageDeflate: { threshold: 0 } })),
  );
  const plain = await openClients(server.url, 2);
  const all = [...packing, ...plain];
  await until(() => server.connections().length === all.length);
  expect(all.map(({ ws }) => ws.extensions)).toEqual([
    "permessage-deflate",
    "permessage-deflate",
    "permessage-deflate",
    "",
    "",
  ]);
  const messages = [
    "small",
    json,
    bytes,
    "",
    json.slice(0, 1_023),
    json.slice(0, 1_024),
    Buffer.from([1, 2]),
    bytes,
    json,
  ];
  for (const message of messages) packing[0]?.send(message);
  await until(() => all.every((client) => client.received.length === messages.length));
  for (const client of all) expect(client.received.map(String)).toEqual(messages.map(String));
  expect(server.stats().sent.frames).toBe(messages.length);
});

test("a message is compressed on the wire, once for all its recipients", async () => {
  const { server } = await serveByHand(relay);
  const peers = [1, 2].map(() => new RawPeer(server.port));
  for (const peer of peers) peer.write(offering("permessage-deflate; client_max_window_bits"));
  await until(() => server.connections().length === 2);
  server.sendall(json);
  await until(() => peers.every((peer) => peer.frames.length === 1));
  const [first, second] = peers.map((peer) => peer.frames[0]?.payload);
  expect(first?.length).toBeLessThan(json.length / 4);
  expect(second).toEqual(first);
  expect(peers[0]?.bytes.toString("latin1")).toContain("server_no_context_takeover");
});

test("a client that asks for a smaller window is let in, and gets frames that it can read", async () => {
  const { server } = await serveByHand(relay);
  const client = await Client.open(server.url, { perMessageDeflate: { serverMaxWindowBits: 10 } });
  await until(() => server.connections().length === 1);
  // A full window points back further than the small one reaches, and than what inflating holds of its output (16 KiB).
  const noise = Array.from({ length: 3_000 }, (_, i) => Math.imul(i + 1, 2_654_435_761).toString(36)).join("");
  for (let i = 0; i < 3; i++) server.sendall(`${i}${noise}${noise}`);
  await until(() => client.received.length === 3 || client.closed !== undefined);
  expect(client.received).toEqual([0, 1, 2].map((i) => `${i}${noise}${noise}`));
});

test.each([
  "permessage-deflate; bogus=1",
  "permessage-deflate; server_max_window_bits=99",
  "x-webkit-deflate-frame",
  "permessage-deflate; =",
])("an offer that makes no sense (%s) costs the compression, not the connection", async (offer) => {
  const { server } = await serveByHand(relay);
  const peer = new RawPeer(server.port);
  peer.write(offering(offer));
  await until(() => server.connections().length === 1);
  server.sendall(json);
  await until(() => peer.frames.length === 1);
  expect(peer.frames[0]?.payload.toString()).toBe(json);
  expect(peer.bytes.toString("latin1")).not.toContain("Sec-WebSocket-Extensions");
});

/** A compressed text frame, as a client sends it. */
function packed(data: Buffer): Buffer {
  const frame = clientFrame(deflateRawSync(data, { finishFlush: 2 }).subarray(0, -4));
  frame[0] = (frame[0] ?? 0) | 0x40;
  return frame;
}

test("limits count uncompressed bytes: a bomb of 1 MiB in a kilobyte is 1009, many times, and others are answered", async () => {
  const { server } = await serveByHand({
    ...relay,
    maxPayloadBytes: 65_536,
    handler: (event) => void (event.type === "message" && event.connection.send(event.data)),
  });
  const good = await Client.open(server.url, { perMessageDeflate: true });
  const bomb = packed(Buffer.alloc(1_048_576));
  expect(bomb.length).toBeLessThan(1_200);
  for (let i = 0; i < 50; i++) {
    const peer = new RawPeer(server.port);
    peer.write(offering("permessage-deflate"));
    await until(() => server.connections().length === 2);
    peer.write(bomb);
    await until(() => peer.frames.some(({ opcode }) => opcode === 8));
    expect(peer.frames[0]?.payload.readUInt16BE(0)).toBe(1009);
    peer.socket.destroy();
    good.send(`${i}`);
    await until(() => good.received.length === i + 1 && server.connections().length === 1);
  }
  expect(server.stats().received.messages).toBe(50);
});

test("a compressed message that is no deflate stream is 1007, and closed says so", async () => {
  const events: unknown[] = [];
  const { server } = await serveByHand({
    compression: true,
    handler(event) {
      if (event.type !== "info") events.push(event.type === "closed" ? [event.code, event.by] : event.type);
    },
  });
  const peer = new RawPeer(server.port);
  const frame = clientFrame(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  frame[0] = (frame[0] ?? 0) | 0x40;
  peer.write(Buffer.concat([Buffer.from(offering("permessage-deflate")), frame]));
  await until(() => peer.frames.length === 1);
  expect(peer.frames[0]?.payload.readUInt16BE(0)).toBe(1007);
  peer.socket.end();
  await until(() => events.length === 3);
  expect(events).toEqual(["open", "error", [1007, "server"]]);
});
