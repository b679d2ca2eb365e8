/** Sentences 5 and 6: mailboxes, outboxes, and the limits of a message. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { OPCODES } from "../frames.js";
import { gate } from "../stage.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */
/** @typedef {import("sendall").Bus} Bus */

const MEBIBYTE = 1_048_576;

/**
 * A reader that has stalled, and a handler that sends a MiB for each message of another.
 * @param {import("../stage.js").Stage} stage
 * @param {string} slowConsumer
 */
async function stalled(stage, slowConsumer) {
  /** @type {import("sendall").Connection | undefined} */
  let reader;
  /** @type {import("sendall").ClosedEvent | undefined} */
  let closed;
  const server = await stage.serve({
    outbox: { slowConsumer },
    closeTimeoutMs: 50,
    /** @param {ServerEvent} event @param {Bus} bus */
    handler(event, bus) {
      if (event.type === "open") reader ??= event.connection;
      if (event.type === "closed") closed = event;
      if (event.type !== "message" || reader === undefined) return;
      const number = event.text.padStart(4);
      bus.unicast(number + "x".repeat(MEBIBYTE / 4), reader);
      event.connection.send("next");
    },
  });
  const slow = await stage.open(server.url);
  slow.socket.pause();
  const driver = await stage.open(server.url);
  let sent = 0;
  while (server.stats().dropped === 0) {
    driver.send(`${sent++}`);
    await driver.next();
  }
  const bufferedAmount = reader?.bufferedAmount ?? 0;
  return { slow, sent, server, bufferedAmount, closedWith: () => closed?.code };
}

/** @type {import("../stage.js").Sentence[]} */
export const limits = [
  [
    "5: a full mailbox pauses its socket: the peer feels it, nothing is lost or reordered, and others are served",
    async (stage) => {
      const slow = gate();
      /** @type {number[]} */
      const lengths = [];
      const server = await stage.serve({
        concurrency: "connection",
        /** @param {ServerEvent} event */
        async handler(event) {
          if (event.type !== "message") return;
          if (event.text === "are you there?") event.connection.send("yes");
          else {
            await slow.opened;
            lengths.push(event.data.length);
          }
        },
      });
      const [writer, other] = [await stage.open(server.url), await stage.open(server.url)];
      const message = "x".repeat(20_000);
      let sent = 0;
      // As much as the buffers of both ends take, and more than 16 MiB beside.
      while (writer.socket.writableLength < 16 * MEBIBYTE) {
        writer.send(message.slice(0, 20_000 - sent++));
        if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      other.send("are you there?");
      equal(await other.next(), "yes");
      ok(server.stats().received.messages < 500, `${server.stats().received.messages} messages were taken in`);
      ok(writer.socket.writableLength > 8 * MEBIBYTE);
      slow.open();
      await stage.until(() => lengths.length === sent);
      deepEqual(
        lengths,
        Array.from({ length: sent }, (_, i) => 20_000 - i),
      );
    },
  ],
  [
    "5: a message beyond maxPayloadBytes closes its connection with 1009, and no other",
    async (stage) => {
      const server = await stage.serve({
        maxPayloadBytes: 1_000,
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "message" && event.connection.send(`${event.data.length}`),
      });
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      bob.send("x".repeat(1_000));
      equal(await bob.next(), "1000");
      ann.send("x".repeat(1_001));
      equal((await ann.closed()).code, 1009);
      bob.send("x");
      equal(await bob.next(), "1");
    },
  ],
  [
    "5: a message in fragments that are too long together closes its connection with 1009",
    async (stage) => {
      const server = await stage.serve({ maxPayloadBytes: 1_000 });
      const peer = await stage.open(server.url);
      peer.send("x".repeat(600), { fin: false });
      peer.send("x".repeat(600), { opcode: 0, fin: false });
      equal((await peer.closed()).code, 1009);
    },
  ],
  [
    "5: a message in more than maxFragments fragments closes its connection with 1008",
    async (stage) => {
      const server = await stage.serve({ maxFragments: 4 });
      const peer = await stage.open(server.url);
      peer.send("x", { fin: false });
      for (let i = 0; i < 5; i++) peer.send("x", { opcode: 0, fin: false });
      equal((await peer.closed()).code, 1008);
    },
  ],
  [
    '5: more than the budget closes the connection with 1008, under over: "close"',
    async (stage) => {
      const server = await stage.serve({ budget: { messagesPerSecond: 2, burstSeconds: 1, over: "close" } });
      const peer = await stage.open(server.url);
      for (let i = 0; i < 10; i++) peer.send(`${i}`);
      deepEqual(await peer.closed(), { code: 1008, reason: "over budget" });
    },
  ],
  [
    "5: messages of 1 KiB and more are compressed in both directions, with compression",
    async (stage) => {
      const server = await stage.serve({
        compression: true,
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "message" && event.connection.send(event.data),
      });
      const peer = await stage.open(server.url, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } });
      ok(peer.header("sec-websocket-extensions")?.startsWith("permessage-deflate"), peer.text);
      for (const [text, isCompressed] of /** @type {const} */ ([
        ["ü".repeat(2_000), true],
        ["short", false],
        ["again ".repeat(2_000), true],
      ])) {
        peer.sendCompressed(text);
        equal(await peer.next(), text);
        equal(peer.isCompressed, isCompressed);
      }
    },
  ],
  [
    "5: a message that is too long uncompressed closes its connection with 1009",
    async (stage) => {
      const server = await stage.serve({ compression: true });
      const peer = await stage.open(server.url, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } });
      const bomb = deflateRawSync(Buffer.alloc(50 * MEBIBYTE), { finishFlush: 2 }).subarray(0, -4);
      peer.send(bomb, { opcode: OPCODES.binary, compressed: true });
      equal((await peer.closed()).code, 1009);
    },
  ],
  [
    '6: a reader that stalls is closed with 1013 under "close"',
    async (stage) => {
      const { closedWith, slow } = await stalled(stage, "close");
      await stage.until(closedWith);
      equal(closedWith(), 1013);
      slow.socket.resume();
      await slow.closed();
      const numbers = slow.messages.map((message) => Number(message.slice(0, 4)));
      deepEqual(
        numbers,
        numbers.map((_, i) => i),
      );
    },
  ],
  [
    '6: a reader that stalls loses the oldest messages under "dropOldest", whole ones, and keeps the order',
    async (stage) => {
      const { slow, sent, bufferedAmount } = await stalled(stage, "dropOldest");
      ok(bufferedAmount >= MEBIBYTE / 2, `${bufferedAmount}`);
      slow.socket.resume();
      /** @type {number[]} */
      const numbers = [];
      while (numbers.at(-1) !== sent - 1) {
        const message = await slow.next();
        equal(message.length, 4 + MEBIBYTE / 4);
        numbers.push(Number(message.slice(0, 4)));
      }
      deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b),
      );
      equal(numbers.length, sent - 1);
    },
  ],
  [
    '6: a reader that stalls loses the newest message under "dropNewest", and bufferedAmount is 0 once it has read',
    async (stage) => {
      const { slow, sent, server } = await stalled(stage, "dropNewest");
      slow.socket.resume();
      deepEqual(
        (await slow.take(sent - 1)).map((message) => Number(message.slice(0, 4))),
        Array.from({ length: sent - 1 }, (_, i) => i),
      );
      await stage.until(() => server.connections().every(({ bufferedAmount }) => bufferedAmount === 0));
      equal(server.stats().dropped, 1);
    },
  ],
];
