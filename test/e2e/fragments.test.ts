/** Messages in fragments (RFC 6455 section 5.4): how many there may be, and what may stand between them. */
import { describe, expect, test } from "vitest";
import { clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const CLOSED_1008 = { opcode: 8, payload: Buffer.from([1_008 >> 8, 1_008 & 255]) };
const READ_BYTES = 65_536;
const MIB = 1_048_576;

/** A server that echoes the length of each message, and what its events were. */
async function stage(options: object = {}) {
  const events: string[] = [];
  const { server } = await serveByHand({
    heartbeat: false,
    ...options,
    handler(event) {
      if (event.type === "message") event.connection.send(`${event.data.length} bytes`);
      if (event.type === "error" && "code" in event.error) events.push(`error ${event.error.code}`);
      else if (event.type === "closed") events.push(`closed ${event.code} ${event.by}`);
      else events.push(event.type);
    },
  });
  return { server, events };
}

async function open(port: number, path?: string, extensions?: string): Promise<RawPeer> {
  const peer = new RawPeer(port);
  const head = upgradeRequest(path);
  peer.write(
    extensions === undefined ? head : head.replace("\r\n\r\n", `\r\nSec-WebSocket-Extensions: ${extensions}\r\n\r\n`),
  );
  await until(() => peer.bytes.includes("\r\n\r\n"));
  return peer;
}

/** A message of so many bytes, one in each fragment. */
function inFragments(count: number): Buffer {
  const middle = Array<Buffer>(Math.max(count - 2, 0)).fill(clientFrame("x", { opcode: 0, fin: false }));
  if (count === 1) return clientFrame("x");
  return Buffer.concat([clientFrame("x", { fin: false }), ...middle, clientFrame("x", { opcode: 0 })]);
}

/** So many bytes of control frames, or a few less. */
function control(bytes: number, opcode = 10, payload = ""): Buffer {
  const frame = clientFrame(payload, { opcode });
  return Buffer.concat(Array<Buffer>(Math.floor(bytes / frame.length)).fill(frame));
}

/** Writes until the server has taken all of it or has ended the connection. */
async function send(peer: RawPeer, bytes: Buffer): Promise<void> {
  let isOut = false;
  peer.socket.write(bytes, () => {
    isOut = true;
  });
  await until(() => isOut || peer.isEnded);
}

function texts(peer: RawPeer): string[] {
  return peer.frames.map(({ payload }) => payload.toString());
}

describe("maxFragments", () => {
  test.each([
    [1, {}],
    [3, {}],
    [20_000, {}],
    [3, { compression: true }],
  ])("%i: a message in so many fragments arrives, and one in more is 1008, with %o", async (maxFragments, options) => {
    const { server, events } = await stage({ ...options, maxFragments });
    const peer = await open(server.port);
    peer.write(inFragments(maxFragments));
    await until(() => peer.frames.length === 1);
    expect(texts(peer)).toEqual([`${maxFragments} bytes`]);
    peer.write(inFragments(maxFragments + 1));
    await until(() => peer.frames.length === 2 && server.connections().length === 0);
    expect(peer.frames[1]).toEqual(CLOSED_1008);
    await until(() => events.length === 4);
    expect(events).toEqual(["open", "message", "error WS_ERR_TOO_MANY_BUFFERED_PARTS", "closed 1008 server"]);
  });

  test("is 16,384 where nobody says otherwise", async () => {
    const { server } = await stage();
    const peer = await open(server.port);
    peer.write(inFragments(16_384));
    await until(() => peer.frames.length === 1);
    peer.write(inFragments(16_385));
    await until(() => peer.frames.length === 2);
    expect(peer.frames[1]).toEqual(CLOSED_1008);
  });

  test("is an option of each route, and holds over SockJS's WebSockets too", async () => {
    const handler = (event: { type: string; data?: unknown; connection?: unknown }): void => void event;
    const { server } = await serveByHand({
      sockjs: true,
      maxPayloadBytes: 1_000,
      routes: { "/few": { handler, maxFragments: 2 }, "/many": { handler, maxFragments: 30 } },
    });
    for (const path of ["", "/websocket", "/000/abc/websocket"]) {
      const few = await open(server.port, `/few${path}`);
      const many = await open(server.port, `/many${path}`);
      // A string of SockJS's is `"x…"`; as the first is a fragment, so is the last.
      const message = [
        clientFrame('"', { fin: false }),
        ...Array<Buffer>(28).fill(clientFrame("x", { opcode: 0, fin: false })),
      ];
      const whole = Buffer.concat([...message, clientFrame('"', { opcode: 0 })]);
      few.write(whole);
      many.write(whole);
      many.write(clientFrame("are you there", { opcode: 9 }));
      await until(() => few.frames.at(-1)?.opcode === 8 && many.frames.at(-1)?.opcode === 10);
      expect(few.frames.at(-1)).toEqual(CLOSED_1008);
      many.socket.destroy();
    }
  });
});

describe("control frames between fragments", () => {
  const start = clientFrame("x", { opcode: 2, fin: false });
  const next = clientFrame("x", { opcode: 0, fin: false });
  const end = clientFrame("x", { opcode: 0 });

  test.each([
    ["pongs", {}, undefined, control(READ_BYTES)],
    ["pongs of 125 bytes", {}, undefined, control(READ_BYTES, 10, "x".repeat(125))],
    ["pings of 125 bytes", {}, undefined, control(READ_BYTES, 9, "x".repeat(125))],
    ["pongs, where compression was agreed", { compression: true }, "permessage-deflate", control(READ_BYTES)],
  ])(
    "close their connection with 1008 before they keep 5 MiB in memory: %s",
    async (_what, options, extensions, filling) => {
      const { server, events } = await stage(options);
      const peer = await open(server.port, "/", extensions);
      // What came before the message does not count, and does not help.
      await send(peer, control(2 * MIB));
      await send(peer, start);
      let sent = 0;
      for (; sent < 64 * MIB && !peer.isEnded; sent += filling.length + next.length)
        await send(peer, Buffer.concat([next, filling]));
      // Beside what is counted the kernel and both sockets hold some MiB.
      expect(sent).toBeLessThan(16 * MIB);
      await until(() => server.connections().length === 0);
      expect(peer.frames.at(-1)).toEqual(CLOSED_1008);
      await until(() => events.length === 3);
      expect(events).toEqual(["open", "error WS_ERR_TOO_MANY_BUFFERED_PARTS", "closed 1008 server"]);
    },
  );

  test("close with 1008, if there are too many, after the replies to earlier messages, whatever stands behind in the same read", async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { server } = await serveByHand({
      heartbeat: false,
      async handler(event) {
        if (event.type !== "message") return;
        await finished;
        event.connection.send("a reply");
      },
    });
    const peer = await open(server.port);
    await send(peer, clientFrame("a message"));
    // Once its pong is there all has been read, and what follows is a read of its own.
    const ping = clientFrame("", { opcode: 9 });
    await send(peer, Buffer.concat([control(MIB + 60_000), ping]));
    await until(() => peer.frames.length === 1);
    await send(peer, Buffer.concat([start, clientFrame("x".repeat(1_000), { opcode: 0, fin: false })]));
    await send(peer, Buffer.concat([control(MIB - 2_000), ping]));
    await until(() => peer.frames.length === 2);
    await send(peer, Buffer.concat([control(4_000), clientFrame(Buffer.from([3, 232]), { opcode: 8 }), ping]));
    finish();
    await until(() => peer.isEnded);
    expect(peer.frames.slice(2)).toEqual([{ opcode: 1, payload: Buffer.from("a reply") }, CLOSED_1008]);
  });

  test("may be 900 KiB within one message, and as many again within the next", async () => {
    const { server } = await stage();
    const peer = await open(server.port);
    for (let i = 0; i < 3; i++) {
      await send(peer, start);
      for (let kib = 0; kib < 900; kib += 60) await send(peer, Buffer.concat([next, control(60 * 1_024)]));
      await send(peer, end);
    }
    await until(() => peer.frames.length === 3);
    expect(texts(peer)).toEqual(Array(3).fill("17 bytes"));
    peer.socket.destroy();
  });

  test("without a message may be any number, and messages of any size after them arrive", async () => {
    const { server } = await stage({ maxPayloadBytes: 5 * MIB });
    const peer = await open(server.port);
    for (let i = 0; i < 6; i++) await send(peer, control(MIB));
    await send(peer, clientFrame(Buffer.alloc(5 * MIB), { opcode: 2 }));
    for (let i = 0; i < 6; i++) await send(peer, control(MIB));
    const part = Buffer.alloc(MIB);
    await send(peer, clientFrame(part, { opcode: 2, fin: false }));
    for (let i = 0; i < 3; i++)
      await send(peer, Buffer.concat([clientFrame(part, { opcode: 0, fin: false }), control(6_000)]));
    await send(peer, clientFrame(part, { opcode: 0 }));
    await until(() => peer.frames.length === 2);
    expect(texts(peer)).toEqual([5, 5].map((mib) => `${mib * MIB} bytes`));
    peer.socket.destroy();
  });
});

describe("a frame that comes in small reads", () => {
  /** Each part is read before the next is sent. */
  async function drip(peer: RawPeer, server: { connections(): readonly unknown[] }, bytes: Buffer, size: number) {
    let at = 0;
    for (; at < bytes.length && !peer.isEnded && server.connections().length > 0; at += size) {
      await send(peer, bytes.subarray(at, at + size));
    }
    return at;
  }

  test("of one byte closes its connection with 1008 when some 16,384 of them wait for its end", async () => {
    const { server, events } = await stage();
    const peer = await open(server.port);
    peer.socket.setNoDelay();
    const sent = await drip(peer, server, clientFrame(Buffer.alloc(MIB), { opcode: 2 }).subarray(0, 200_000), 1);
    expect(sent).toBeLessThan(120_000);
    await until(() => events.length === 3);
    expect(events).toEqual(["open", "error WS_ERR_TOO_MANY_BUFFERED_PARTS", "closed 1008 server"]);
  });

  test("of 64 bytes is a message of 1 MiB all the same", async () => {
    const { server } = await stage();
    const peer = await open(server.port);
    peer.socket.setNoDelay();
    await drip(peer, server, clientFrame(Buffer.alloc(MIB), { opcode: 2 }), 64);
    await until(() => peer.frames.length === 1);
    expect(texts(peer)).toEqual([`${MIB} bytes`]);
    peer.socket.destroy();
  });
});
