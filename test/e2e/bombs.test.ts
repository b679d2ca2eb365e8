/** A few bytes on the wire that become many in the mailbox: compression (RFC 7692), lists of SockJS, bodies of a byte at a time. */
import { deflateRawSync } from "node:zlib";
import { channels, perConnection, type ServeOptions, type ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { Client, clientFrame, heapInUse, nextRound, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import { Wire } from "./sockjs-peers.js";

const MIB = 1_048_576;
const FLOOD = "too much at once";

/** A compressed frame, as a client sends it; the deflate stream of each stands alone. */
function packed(data: string | Buffer, opcode = 1): Buffer {
  const frame = clientFrame(deflateRawSync(data, { finishFlush: 2 }).subarray(0, -4), { opcode });
  frame[0] = (frame[0] ?? 0) | 0x40;
  return frame;
}

function times(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(bytes));
}

async function open(port: number, path = "/", extensions = "permessage-deflate"): Promise<RawPeer> {
  const peer = new RawPeer(port);
  peer.write(upgradeRequest(path).replace("\r\n\r\n", `\r\nSec-WebSocket-Extensions: ${extensions}\r\n\r\n`));
  await until(() => peer.bytes.includes("\r\n\r\n"));
  return peer;
}

/** A server whose handler takes the first message and waits, and what its events were. */
async function stage(options: Partial<ServeOptions> = {}) {
  let go = (): void => {};
  const blocked = new Promise<void>((resolve) => {
    go = resolve;
  });
  const events: string[] = [];
  const handle = async (event: ServerEvent): Promise<void> => {
    if (event.type === "message") events.push(`message of ${event.data.length}`);
    else if (event.type === "closed") events.push(`closed ${event.code} ${event.reason} ${event.by}`);
    else events.push(event.type);
    if (event.type === "message") await blocked;
  };
  const all: object = { compression: true, heartbeat: false, handlerTimeoutMs: 10 ** 9, handler: handle, ...options };
  const { server, clock } = await serveByHand(all as ServeOptions);
  return { server, clock, events, handle, go: () => go() };
}

/** The code and the reason of the close frame that a peer got. */
function closeOf(peer: RawPeer): string | undefined {
  const payload = peer.frames.find(({ opcode }) => opcode === 8)?.payload;
  return payload && `${payload.readUInt16BE(0)} ${payload.subarray(2)}`;
}

describe("60 compressed messages of 1 MiB in one packet, to a handler that takes its time", () => {
  const zeros = Buffer.alloc(MIB, "0");

  test.each<[string, Partial<ServeOptions>]>([
    ["one for all", {}],
    ["one event at a time for each connection", { concurrency: "connection" }],
    ["over SockJS's plain WebSocket", { sockjs: true }],
    ["over a budget of a message a second", { budget: { messagesPerSecond: 1, burstSeconds: 1 } }],
  ])("close their connection with 1008 when some 5 of them wait: %s", async (_what, options) => {
    const { server, events, go } = await stage(options);
    const peer = await open(server.port, options.sockjs ? "/websocket" : "/");
    const bombs = times(60, packed(zeros));
    expect(bombs.length).toBeLessThan(65_536);
    peer.write(bombs);
    await until(() => closeOf(peer) !== undefined);
    expect(closeOf(peer)).toBe(`1008 ${FLOOD}`);
    expect(server.stats().received.messages).toBeLessThanOrEqual(7);
    peer.write(clientFrame(peer.frames[0]?.payload ?? "", { opcode: 8 }));
    await until(() => peer.isEnded);
    go();
    await until(() => events.length === 3);
    // Ours is the closing side: what waited is discarded (contract 11).
    expect(events).toEqual(["open", `message of ${MIB}`, `closed 1008 ${FLOOD} server`]);
  });

  test("close their connection over SockJS's framing, with the reason in its close frame", async () => {
    const { server, events, go } = await stage({ sockjs: true });
    const peer = await open(server.port, "/000/abc/websocket");
    peer.write(times(60, packed(JSON.stringify(["0".repeat(MIB - 4)]))));
    await until(() => closeOf(peer) !== undefined);
    expect(peer.frames.at(-2)?.payload.toString()).toBe(`c[1008,"${FLOOD}"]`);
    expect(server.stats().received.messages).toBeLessThanOrEqual(7);
    go();
    peer.write(clientFrame(Buffer.from([1_000 >> 8, 1_000 & 255]), { opcode: 8 }));
    await until(() => events.length === 3);
    expect(events.at(-1)).toBe(`closed 1008 ${FLOOD} server`);
  });

  test("close the socket of the channel that they are for", async () => {
    const set = await stage();
    const { server, clock } = await serveByHand({
      compression: true,
      heartbeat: false,
      handlerTimeoutMs: 10 ** 9,
      handler: channels({ a: set.handle, b: () => {} }),
    });
    const peer = await open(server.port);
    peer.write(Buffer.concat([clientFrame("sub,a"), times(60, packed(`msg,a,${zeros.subarray(10)}`))]));
    await until(() => closeOf(peer) !== undefined);
    expect(closeOf(peer)).toBe(`1008 ${FLOOD}`);
    expect(server.stats().received.messages).toBeLessThanOrEqual(8);
    set.go();
    clock.pass(5_000);
    await until(() => set.events.length === 3);
    expect(set.events.at(-1)).toMatch(/^closed 1008/);
  });

  test("close their connection where each has an actor of its own, and others are answered", async () => {
    const { server } = await serveByHand({
      compression: true,
      heartbeat: false,
      handlerTimeoutMs: 10 ** 9,
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          if (typeof message === "string" && message.length === MIB)
            await new Promise((never) => connection.signal.addEventListener("abort", never));
          connection.send("heard");
        }
      }),
    });
    const good = await Client.open(server.url);
    const bad = await Promise.all(Array.from({ length: 5 }, () => open(server.port)));
    for (const peer of bad) peer.write(times(60, packed(zeros)));
    await until(() => bad.every((peer) => closeOf(peer) === `1008 ${FLOOD}`));
    good.send("hello");
    await until(() => good.received.length === 1);
    for (const { socket } of bad) socket.destroy();
  });

  test("do not disturb a server that stops: messages that were taken are handled, and 1001 goes out", async () => {
    const { server, clock, events, go } = await stage();
    const peer = await open(server.port);
    peer.write(times(60, packed(zeros)));
    await until(() => server.stats().received.messages >= 3);
    const taken = server.stats().received.messages;
    expect(taken).toBeLessThan(6);
    const closing = server.close();
    // Enough to inflate all of them.
    for (let i = 0; i < 6_000; i++) await nextRound();
    expect(closeOf(peer)).toBe(undefined);
    go();
    await until(() => closeOf(peer) !== undefined);
    expect(closeOf(peer)).toBe("1001 going away");
    peer.socket.end();
    while (server.stats().connections > 0) {
      await nextRound();
      clock.pass(50);
    }
    await closing;
    expect(events).toEqual(["open", ...Array(taken).fill(`message of ${MIB}`), expect.stringMatching(/^closed 1001/)]);
  });
});

describe("nobody is closed for", () => {
  test.each<[string, string, Buffer, number]>([
    ["a read full of small messages without compression", "x-none", times(8_000, clientFrame("12")), 8_000],
    [
      "a read full of messages that are not compressed, though they might be",
      "permessage-deflate",
      times(8_000, clientFrame("12")),
      8_000,
    ],
    [
      "two reads full of messages that compression makes no shorter",
      "permessage-deflate",
      times(7_000, packed("123")),
      7_000,
    ],
    ["empty messages, compressed", "permessage-deflate", times(7_000, packed("")), 7_000],
  ])("%s, however small the mailbox", async (_what, extensions, bytes, count) => {
    const { server, events, go } = await stage({
      mailbox: { maxBytes: 1, highWaterEvents: 2, lowWaterEvents: 0 },
    });
    const peer = await open(server.port, "/", extensions);
    peer.write(bytes);
    await until(() => server.stats().paused === 1);
    for (let i = 0; i < 20; i++) await nextRound();
    go();
    await until(() => events.length === count + 1);
    expect(closeOf(peer)).toBe(undefined);
    peer.socket.destroy();
  });

  test("a message of any size that is permitted, nor for 4 MiB more behind a full mailbox", async () => {
    const { server, events, go } = await stage({ maxPayloadBytes: 10 * MIB });
    const peer = await open(server.port);
    peer.write(Buffer.concat([packed(Buffer.alloc(10 * MIB, "0")), times(4, packed(Buffer.alloc(MIB, "0")))]));
    await until(() => server.stats().received.messages === 5);
    go();
    await until(() => events.length === 6);
    expect(events.slice(1)).toEqual([10, 1, 1, 1, 1].map((mib) => `message of ${mib * MIB}`));
    peer.socket.destroy();
  });

  test("3 MiB in a read, again and again, if the handler has worked them off in between", async () => {
    let isHeld = true;
    let handled = 0;
    const { server } = await serveByHand({
      compression: true,
      heartbeat: false,
      async handler(event) {
        if (event.type !== "message") return;
        while (isHeld) await nextRound();
        handled++;
      },
    });
    const peer = await open(server.port);
    for (let i = 1; i <= 5; i++) {
      isHeld = true;
      peer.write(times(3, packed(Buffer.alloc(MIB, "0"))));
      await until(() => server.stats().received.messages === i * 3);
      isHeld = false;
      await until(() => handled === i * 3);
    }
    expect(closeOf(peer)).toBe(undefined);
    peer.socket.destroy();
  });

  test("messages with which the handler keeps up", async () => {
    let handled = 0;
    const { server } = await serveByHand({
      compression: true,
      heartbeat: false,
      handler(event) {
        if (event.type === "message") handled++;
      },
    });
    const peer = await open(server.port);
    for (let i = 1; i <= 2; i++) {
      peer.write(times(60, packed(Buffer.alloc(MIB, "0"))));
      await until(() => handled === i * 60);
    }
    expect(closeOf(peer)).toBe(undefined);
    peer.socket.destroy();
  });
});

test("empty messages fill the mailbox by what their events take", async () => {
  const { server, events, go } = await stage({
    mailbox: { maxBytes: 12_800, highWaterEvents: 1_000_000, lowWaterEvents: 10_000 },
  });
  const peer = await open(server.port, "/", "x-none");
  // One goes to the handler at once, in a turn of its own.
  peer.write(clientFrame(""));
  await until(() => events.length === 2);
  for (let i = 0; i < 99; i++) {
    peer.write(clientFrame(""));
    await until(() => server.stats().received.messages === i + 2);
  }
  expect(server.stats()).toMatchObject({ paused: 0, received: { messages: 100, bytes: 0 } });
  peer.write(clientFrame(""));
  await until(() => server.stats().paused === 1);
  go();
  await until(() => events.length === 102 && server.stats().paused === 0);
  peer.socket.destroy();
});

describe("SockJS: one frame or request with", () => {
  const many = (count: number): string => JSON.stringify(Array(count).fill(""));

  test.each([
    ["compressed", packed(many(349_000))],
    [
      "compressed, with a close frame behind it",
      Buffer.concat([packed(many(349_000)), clientFrame(Buffer.from([3, 232]), { opcode: 8 })]),
    ],
    ["as it is", clientFrame(many(349_000))],
    ["32,769 of them", clientFrame(many(32_769))],
    ["in many compressed frames", times(40, packed(many(1_000)))],
  ])("hundreds of thousands of empty messages closes its connection with 1008: %s", async (_what, bytes) => {
    const { server, events, go } = await stage({ sockjs: true });
    const peer = await open(server.port, "/000/abc/websocket");
    await until(() => peer.frames.length === 1);
    const heap = heapInUse();
    peer.write(bytes);
    await until(() => peer.frames.some(({ payload }) => String(payload) === `c[1008,"${FLOOD}"]`) || peer.isEnded);
    expect(peer.frames[1]?.payload.toString()).toBe(`c[1008,"${FLOOD}"]`);
    expect(server.stats().received.messages).toBeLessThanOrEqual(64);
    expect(heapInUse() - heap).toBeLessThan(4 * MIB);
    peer.socket.destroy();
    go();
    await until(() => /^closed 1008/.test(events.at(-1) ?? ""));
  });

  test("32,768 empty messages is taken, and a request with more is 413", async () => {
    let count = 0;
    const { server } = await serveByHand({
      sockjs: true,
      handler(event) {
        if (event.type === "message") count++;
      },
    });
    const peer = await open(server.port, "/000/abc/websocket");
    peer.write(clientFrame(many(32_768)));
    await until(() => count === 32_768);
    peer.socket.destroy();

    const root = "/000/def";
    new Wire(server.port).ask("POST", `${root}/xhr_streaming`);
    await until(() => server.stats().connections === 1);
    const ask = (body: string) => new Wire(server.port).ask("POST", `${root}/xhr_send`, { body }).answer();
    const refused = await ask(many(32_769));
    expect(refused).toMatchObject({ status: 413, body: "expected at most 32768 messages (option mailbox.maxBytes)" });
    expect((await ask(many(32_768))).status).toBe(204);
    await until(() => count === 65_536);
    expect(server.stats().connections).toBe(1);
  });

  test("a body in chunks of one byte takes no more memory than its bytes", async () => {
    const { server } = await serveByHand({ sockjs: true, handler() {} });
    new Wire(server.port).ask("POST", "/000/abc/xhr_streaming");
    await until(() => server.stats().connections === 1);
    const heap = heapInUse();
    const sender = new Wire(server.port).ask("POST", "/000/abc/xhr_send", {
      headers: { "Transfer-Encoding": "chunked" },
    });
    sender.peer.write('2\r\n["\r\n');
    sender.peer.write("1\r\na\r\n".repeat(300_000));
    const sending = sender.peer.socket;
    await until(() => sending.writableLength === 0);
    for (let i = 0; i < 100; i++) await nextRound();
    expect(heapInUse() - heap).toBeLessThan(6 * MIB);
    sender.peer.write('2\r\n"]\r\n0\r\n\r\n');
    expect((await sender.answer()).status).toBe(204);
    expect(server.stats().received).toEqual({ messages: 1, bytes: 300_000 });
  });
});
