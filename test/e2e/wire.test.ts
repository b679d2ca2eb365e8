/** Messages and frames on the wire (RFC 6455 section 5), from good clients and from others. */
import { once } from "node:events";
import fc from "fast-check";
import type { ServerEvent } from "sendall";
import { expect, test } from "vitest";
import { Client, clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const echo = {
  handler(event: ServerEvent) {
    if (event.type === "message") event.connection.send(event.data);
  },
};

test("a frame in the same segment as the handshake, while an async open takes 500 ms, is handled once and after open", async () => {
  const events: string[] = [];
  const { server, clock } = await serveByHand({
    async handler(event, bus) {
      if (event.type === "open") {
        events.push("opening");
        await bus.sleep(500);
      }
      events.push(event.type === "message" ? event.text : event.type);
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("early")]));
  await until(() => server.stats().received.messages === 1 && events.length > 0);
  expect(events).toEqual(["opening"]);
  clock.pass(499);
  expect(server.stats().failures).toEqual([]);
  clock.pass(1);
  await until(() => events.length === 3);
  peer.socket.destroy();
  await until(() => events.length === 4);
  expect(events).toEqual(["opening", "open", "early", "closed"]);
});

test("frames are understood however the network cuts them, byte by byte too", async () => {
  const { server } = await serveByHand(echo);
  const peer = new RawPeer(server.port);
  for (const byte of Buffer.concat([
    Buffer.from(upgradeRequest()),
    clientFrame("one"),
    clientFrame("two".repeat(50)),
  ])) {
    peer.write(Buffer.from([byte]));
    await new Promise((resolve) => peer.socket.write("", resolve));
  }
  await until(() => peer.frames.length === 2);
  expect(peer.frames.map(({ payload }) => payload.toString())).toEqual(["one", "two".repeat(50)]);
});

test("wherever the network cuts handshake and frames, and whatever it puts into one segment, the same messages come back", async () => {
  const { server } = await serveByHand(echo);
  const message = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.uint8Array({ maxLength: 70_000 }));
  const cuts = fc.array(fc.nat({ max: 1_000_000 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 8 }), cuts, async (messages, places) => {
      const frames = messages.map((data) =>
        typeof data === "string" ? clientFrame(data) : clientFrame(Buffer.from(data), { opcode: 2 }),
      );
      const bytes = Buffer.concat([Buffer.from(upgradeRequest()), ...frames]);
      const ends = [...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
      const peer = new RawPeer(server.port);
      peer.socket.setNoDelay();
      let at = 0;
      for (const end of ends) {
        const part = bytes.subarray(at, end);
        await new Promise((written) => peer.socket.write(part, written));
        at = end;
      }
      await until(() => peer.frames.length === messages.length || peer.isEnded);
      expect(peer.frames).toEqual(
        messages.map((data) => ({ opcode: typeof data === "string" ? 1 : 2, payload: Buffer.from(data) })),
      );
      peer.socket.destroy();
    }),
    { numRuns: 200 },
  );
});

test.each([0, 1, 125, 126, 65_535, 65_536, 200_000])(
  "a message of %i bytes comes back whole, text as text and bytes as bytes",
  async (length) => {
    const { server } = await serveByHand({ ...echo, maxPayloadBytes: 200_000 });
    const client = await Client.open(server.url);
    const bytes = Buffer.alloc(length, 0xfe);
    client.send("x".repeat(length));
    client.send(bytes);
    await until(() => client.received.length === 2);
    expect(client.received).toEqual(["x".repeat(length), bytes]);
  },
);

test("a message of one byte more than maxPayloadBytes closes its connection with 1009, and error comes before closed", async () => {
  const events: ServerEvent[] = [];
  const { server } = await serveByHand({
    maxPayloadBytes: 1_000,
    handler(event) {
      events.push(event);
      echo.handler(event);
    },
  });
  const client = await Client.open(server.url);
  const other = await Client.open(server.url);
  client.send("x".repeat(1_000));
  await until(() => client.received.length === 1);
  client.send("x".repeat(1_001));
  expect((await client.ended()).code).toBe(1009);
  await until(() => events.at(-1)?.type === "closed");
  expect(events.map(({ type }) => type)).toEqual(["open", "open", "message", "error", "closed"]);
  expect(events.at(-1)).toMatchObject({ code: 1009, by: "server" });
  other.send("still here");
  await until(() => other.received.length === 1);
});

test("a fragmented message with a ping in between is one message, and the ping is answered", async () => {
  const { server } = await serveByHand(echo);
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  peer.write(clientFrame("frag", { fin: false }));
  peer.write(clientFrame("are you there", { opcode: 9 }));
  peer.write(clientFrame("men", { opcode: 0, fin: false }));
  peer.write(clientFrame("ted", { opcode: 0 }));
  await until(() => peer.frames.length === 2);
  expect(peer.frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
    [10, "are you there"],
    [1, "fragmented"],
  ]);
});

test("a large text in five fragments, cut within its characters, with a ping after each, is one message", async () => {
  const { server } = await serveByHand(echo);
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  const text = "\u{1f600}é".repeat(33_334);
  const bytes = Buffer.from(text);
  // Not at a multiple of the 6 bytes that the two characters have.
  const size = 40_001;
  for (let i = 0; i < 5; i++) {
    peer.write(clientFrame(bytes.subarray(i * size, (i + 1) * size), { opcode: i === 0 ? 1 : 0, fin: i === 4 }));
    if (i < 4) peer.write(clientFrame(`ping ${i}`, { opcode: 9 }));
  }
  await until(() => peer.frames.length === 5);
  const [message] = peer.frames.filter(({ opcode }) => opcode === 1);
  expect(message?.payload.toString() === text).toBe(true);
  const pongs = peer.frames.filter(({ opcode }) => opcode === 10);
  expect(pongs.map(({ payload }) => payload.toString())).toEqual(["ping 0", "ping 1", "ping 2", "ping 3"]);
});

function two(first: Buffer, second: Buffer): Buffer {
  return Buffer.concat([first, second]);
}

/** RSV1, which is for extensions (RFC 6455 section 5.2). */
function withReservedBit(frame: Buffer): Buffer {
  frame[0] = (frame[0] ?? 0) | 0x40;
  return frame;
}

test.each([
  ["invalid UTF-8 in a text frame", clientFrame(Buffer.from([0xc3, 0x28])), 1007],
  ["an unmasked frame", clientFrame("bare", { masked: false }), 1002],
  ["an unknown opcode", clientFrame("odd", { opcode: 3 }), 1002],
  ["a continuation of nothing", clientFrame("more", { opcode: 0 }), 1002],
  ["a message that begins within another", two(clientFrame("a", { fin: false }), clientFrame("b")), 1002],
  ["a ping in fragments", clientFrame("ping", { opcode: 9, fin: false }), 1002],
  ["a ping of more than 125 bytes", clientFrame("x".repeat(126), { opcode: 9 }), 1002],
  ["a close frame of one byte", clientFrame("x", { opcode: 8 }), 1002],
  ["a close frame whose reason is no UTF-8", clientFrame(Buffer.from([3, 232, 0xff]), { opcode: 8 }), 1007],
  ["a reserved bit that nobody has agreed on", withReservedBit(clientFrame("odd")), 1002],
  ["a close frame with a code that nobody may send", clientFrame(Buffer.from([3, 237]), { opcode: 8 }), 1002],
])("%s is answered with the right code, after what came before it", async (_what, frame, code) => {
  const events: string[] = [];
  const { server } = await serveByHand({
    handler(event) {
      events.push(event.type === "closed" ? `closed ${event.code} ${event.by}` : event.type);
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("good"), frame, clientFrame("too late")]));
  await until(() => peer.frames.length === 1);
  expect(peer.frames[0]?.opcode).toBe(8);
  expect(peer.frames[0]?.payload.readUInt16BE(0)).toBe(code);
  peer.socket.end();
  await until(() => events.length === 4);
  expect(events).toEqual(["open", "message", "error", `closed ${code} server`]);
});

test.each([0, 1, 125])("an unsolicited pong and a ping of %i bytes are taken in good part", async (length) => {
  const { server } = await serveByHand(echo);
  const client = await Client.open(server.url);
  const data = Buffer.alloc(length, 7);
  client.ws.pong(data);
  client.ws.ping(data);
  const [payload] = await once(client.ws, "pong");
  expect(payload).toEqual(data);
  client.send("fine");
  await until(() => client.received.length === 1);
});

test("a ping of the handler's goes between the messages that were sent before it and after it", async () => {
  const { server } = await serveByHand({
    handler(event) {
      if (event.type !== "message") return;
      event.connection.send("before");
      event.connection.ping("now");
      event.connection.send("after");
    },
  });
  const client = await Client.open(server.url);
  const seen: string[] = [];
  for (const type of ["message", "ping"]) client.ws.on(type, (data) => seen.push(`${type} ${data}`));
  client.send("go");
  await until(() => seen.length === 3);
  expect(seen).toEqual(["message before", "ping now", "message after"]);
});

test("lone surrogates, NUL and the last code points survive as what UTF-8 can say of them", async () => {
  const { server } = await serveByHand(echo);
  const client = await Client.open(server.url);
  for (const text of ["\0", "\uffff", "\u{10ffff}", "a,b@c\n", "\ud800"]) client.send(text);
  await until(() => client.received.length === 5);
  expect(client.received).toEqual(["\0", "\uffff", "\u{10ffff}", "a,b@c\n", "\ufffd"]);
});

test("every character that there is comes back, whatever it means to other protocols", async () => {
  const { server } = await serveByHand(echo);
  const client = await Client.open(server.url);
  // All of Unicode but the surrogates, in 17 messages of a plane each: NUL, line ends, quotes, commas, U+FFFE, U+FFFF and all.
  const planes = Array.from({ length: 17 }, (_, plane) =>
    Array.from({ length: 65_536 }, (_, i) => plane * 65_536 + i)
      .filter((point) => point < 0xd800 || point > 0xdfff)
      .reduce((text, point) => text + String.fromCodePoint(point), ""),
  );
  for (const text of planes) client.send(text);
  await until(() => client.received.length === planes.length);
  for (const [i, text] of planes.entries()) expect(client.received[i] === text).toBe(true);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  client.send(bytes);
  await until(() => client.received.length === planes.length + 1);
  expect(client.received.at(-1)).toEqual(bytes);
});

test("a binary message may be kept: it does not change when more arrives, and text reads it as UTF-8", async () => {
  const kept: { data: string | Buffer; text: string }[] = [];
  const { server } = await serveByHand({
    handler(event) {
      if (event.type === "message") kept.push({ data: event.data, text: event.text });
    },
  });
  const client = await Client.open(server.url);
  for (let i = 0; i < 100; i++) client.send(Buffer.from(`number ${i}`));
  await until(() => kept.length === 100);
  expect(kept).toEqual(
    Array.from({ length: 100 }, (_, i) => ({ data: Buffer.from(`number ${i}`), text: `number ${i}` })),
  );
});

test("the code and reason of either side's close frame reach the other", async () => {
  const closed: ServerEvent[] = [];
  const { server } = await serveByHand({
    handler(event) {
      if (event.type === "message") event.connection.close(4321, "é".repeat(100));
      if (event.type === "closed") closed.push(event);
    },
  });
  const asked = await Client.open(server.url);
  asked.send("close me");
  expect(await asked.ended()).toEqual({ code: 4321, reason: "é".repeat(61) });
  const leaving = await Client.open(server.url);
  leaving.ws.close(4999, "bye");
  const silent = await Client.open(server.url);
  await until(() => closed.length === 2);
  silent.ws.close();
  await until(() => closed.length === 3);
  expect(closed).toMatchObject([
    { code: 4321, reason: "é".repeat(61), wasClean: true, by: "server" },
    { code: 4999, reason: "bye", wasClean: true, by: "peer" },
    { code: 1005, reason: "", wasClean: true, by: "peer" },
  ]);
});
