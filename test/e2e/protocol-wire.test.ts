/**
 * The handler of a protocol over real sockets: frames by hand as they stand on the wire, hostile bytes, budgets, sessions, SockJS, and the
 * heap after many rounds.
 */
import fc from "fast-check";
import type { SockJsOptions } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import SockJS from "sockjs-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { Server } from "../../src/server/server.js";
import { Client, clientFrame, heapInUse, nextRound, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string().max(500) }),
    typing: z.undefined(),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    who: { input: z.undefined(), output: z.undefined() },
    fail: { input: z.undefined(), output: z.undefined() },
    slow: { input: z.number(), output: z.number() },
  },
  fromServer: { said: z.object({ text: z.string() }) },
});
const { said } = chat.fromServer;

const handler = chat.handler({
  say({ text }, { bus }) {
    if (text === "refuse") throw refuse("QUIET", "not now", { until: "noon" });
    if (text === "fail") throw new Error("SECRET");
    bus.sendall(said({ text }));
  },
  typing() {},
  join({ room }, { connection, bus }) {
    if (room === "full") throw refuse("FULL", "the room is full", { room });
    connection.join(room);
    bus.sendall(said({ text: `${connection.id} joins` }), { room });
    return { members: bus.members(room).length };
  },
  who() {},
  fail() {
    throw Object.assign(new Error("SECRET"), { code: "SECRET", data: "SECRET" });
  },
  async slow(ms, { bus }) {
    await bus.sleep(ms);
    return ms;
  },
});

async function openRaw({ port }: Server): Promise<RawPeer> {
  const peer = new RawPeer(port);
  onTestFinished(() => void peer.socket.destroy());
  peer.write(upgradeRequest());
  await until(() => peer.bytes.includes("\r\n\r\n"));
  return peer;
}

/** The text frames that came. */
function textsOf({ frames }: RawPeer): string[] {
  return frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => payload.toString());
}

let calls = 1_000;

/** Sends frames in one piece, then a call, and waits for the call's answer. @returns the answers before */
async function converse(peer: RawPeer, frames: readonly (string | Buffer)[]): Promise<string[]> {
  const before = textsOf(peer).length;
  const id = calls++;
  const last = clientFrame(`["who",${id}]`);
  peer.write(Buffer.concat([...frames.map((frame) => (Buffer.isBuffer(frame) ? frame : clientFrame(frame))), last]));
  await until(() => textsOf(peer).at(-1) === `[${id}]` || peer.isEnded);
  return textsOf(peer).slice(before, -1);
}

const WHOLE = '"issues":[{"path":"","message":';

test("a conversation by hand reads as the wire is described", async () => {
  const { server } = await serveByHand({ handler, supervise: { intensity: 100 } });
  const peer = await openRaw(server);
  const [id] = server.connections().map((connection) => connection.id);
  const lines: [sent: string, ...came: (string | RegExp)[]][] = [
    ['["say",{"text":"hi"}]', '["said",{"text":"hi"}]'],
    ['["typing"]'],
    ['["join",{"room":"lobby"},7]', `["said",{"text":"${id} joins"}]`, '[7,{"members":1}]'],
    ['["who",8]', "[8]"],
    ['["join",{"room":"full"},9]', '[9,null,{"reason":"FULL","message":"the room is full","data":{"room":"full"}}]'],
    ['["say",{"text":"refuse"}]', '["!",{"reason":"QUIET","message":"not now","data":{"until":"noon"}}]'],
    [
      '["join",{"room":5},10]',
      /^\[10,null,\{"reason":"INVALID_MESSAGE","issues":\[\{"path":"room","message":".+"\}\]\}\]$/,
    ],
    ['["say",{"text":5}]', /^\["!",\{"reason":"INVALID_MESSAGE","issues":\[\{"path":"text","message":".+"\}\]\}\]$/],
    ['["fail",11]', '[11,null,{"reason":"CALL_FAILED"}]'],
    ['["say",{"text":"fail"}]'],
    ['["nope",{"text":"SECRET"}]', `["!",{"reason":"INVALID_MESSAGE",${WHOLE}"unknown name \\"nope\\""}]}]`],
    ['["nope",{},12]', `[12,null,{"reason":"INVALID_MESSAGE",${WHOLE}"unknown name \\"nope\\""}]}]`],
  ];
  for (const [sent, ...came] of lines) {
    expect(await converse(peer, [sent]), sent).toEqual(
      came.map((line) => (typeof line === "string" ? line : expect.stringMatching(line))),
    );
  }
  expect(peer.bytes.toString()).not.toContain("SECRET");
});

test("what a function throws never leaves the server, by whatever road", async () => {
  const { server } = await serveByHand({ handler, supervise: { intensity: 100 } });
  const peer = await openRaw(server);
  const answers = await converse(peer, ['["fail",1]', '["say",{"text":"fail"}]', '["fail",2]']);
  expect(answers).toEqual(['[1,null,{"reason":"CALL_FAILED"}]', '[2,null,{"reason":"CALL_FAILED"}]']);
  expect(peer.bytes.toString()).not.toContain("SECRET");
  expect(server.stats().failures.map(({ error }) => (error as Error).message)).toEqual(["SECRET", "SECRET", "SECRET"]);
});

test("a call before the answer to the handshake, byte by byte and in fragments, is answered like any other", async () => {
  const { server } = await serveByHand({ handler });
  const peer = new RawPeer(server.port);
  onTestFinished(() => void peer.socket.destroy());
  peer.socket.setNoDelay();
  const fragments = ['["join",{"ro', 'om":"a', '"},3]'].map((part, i) =>
    clientFrame(part, { opcode: i === 0 ? 1 : 0, fin: i === 2 }),
  );
  const bytes = Buffer.concat([Buffer.from(upgradeRequest()), clientFrame('["who",1]'), ...fragments]);
  for (const byte of bytes) await new Promise((written) => peer.socket.write(Buffer.from([byte]), written));
  await until(() => textsOf(peer).length === 3);
  expect(textsOf(peer)).toEqual(["[1]", expect.stringContaining("joins"), '[3,{"members":1}]']);
});

describe("a peer that sends what is invalid", () => {
  test("is closed with 1008 once its budget is used up, and nobody else is", async () => {
    const { server } = await serveByHand({ handler, supervise: { intensity: 4 } });
    const [peer, other] = [await openRaw(server), await Client.open(server.url)];
    const bad = ["x", '["say",{}]', "[7]", '["join",{}]', '["nope"]', '["say",{"text":"too late"}]'];
    peer.write(Buffer.concat(bad.map((text) => clientFrame(text))));
    await until(() => peer.frames.at(-1)?.opcode === 8);
    expect(peer.frames.at(-1)?.payload).toEqual(
      Buffer.concat([Buffer.from([1008 >> 8, 1008 & 255]), Buffer.from("invalid messages")]),
    );
    expect(textsOf(peer).map((text) => JSON.parse(text)[0])).toEqual(Array(5).fill("!"));
    other.send('["say",{"text":"still here"}]');
    await until(() => other.received.length === 1);
    expect(String(other.received[0])).toBe('["said",{"text":"still here"}]');
    expect(server.stats()).toMatchObject({ invalid: 5, failures: [], connections: 1 });
  });

  test("in ten connections at once costs each of the ten its own budget, and the rest of the room nothing", async () => {
    const { server } = await serveByHand({ handler, supervise: { intensity: 2 } });
    const good = await Client.open(server.url);
    const bad = await Promise.all(Array.from({ length: 10 }, () => Client.open(server.url)));
    for (let i = 0; i < 3; i++) for (const client of bad) client.send("x");
    expect(await Promise.all(bad.map((client) => client.ended()))).toEqual(
      Array(10).fill({ code: 1008, reason: "invalid messages" }),
    );
    good.send('["who",1]');
    await until(() => good.received.length === 1);
    expect([String(good.received[0]), server.stats().invalid]).toEqual(["[1]", 30]);
  });

  test("that is no text of UTF-8 is closed as ever, and no function and no schema hears of that", async () => {
    const { server } = await serveByHand({ handler });
    const peer = await openRaw(server);
    peer.write(clientFrame(Buffer.concat([Buffer.from('["say",{"text":"'), Buffer.from([0xff]), Buffer.from('"}]')])));
    await until(() => peer.frames.at(-1)?.opcode === 8);
    expect(peer.frames.at(-1)?.payload.readUInt16BE(0)).toBe(1007);
    expect(server.stats()).toMatchObject({ invalid: 0, failures: [] });
  });

  test.each([
    ["brackets", "["],
    ["braces", '{"a":'],
    ["nines", "9"],
    ["quotes", '["'],
  ])(
    "as large as is let in, of %s alone, is answered shortly, and one byte more closes with 1009",
    async (_what, unit) => {
      const { server } = await serveByHand({ handler, maxPayloadBytes: 200_000 });
      const peer = await openRaw(server);
      const bomb = unit.repeat(200_000).slice(0, 200_000);
      const [answer = "", ...more] = await converse(peer, [bomb]);
      expect([JSON.parse(answer)[0], more]).toEqual(["!", []]);
      expect(answer.length).toBeLessThan(500);
      peer.write(clientFrame(`${bomb}x`));
      await until(() => peer.frames.at(-1)?.opcode === 8);
      expect(peer.frames.at(-1)?.payload.readUInt16BE(0)).toBe(1009);
    },
  );
});

test("whatever frames a peer sends, text and binary, each is answered or handled, and the next call is answered", async () => {
  const { server } = await serveByHand({ handler, supervise: { intensity: 1e9 } });
  const name = fc.constantFrom("say", "typing", "join", "who", "nope", "__proto__", "!", "");
  const nearly = fc
    .tuple(
      name,
      fc.oneof(fc.jsonValue(), fc.record({ text: fc.string({ unit: "binary" }) })),
      fc.array(fc.jsonValue(), { maxLength: 2 }),
    )
    .map(([head, payload, rest]) => JSON.stringify([head, payload, ...rest]));
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.json(), nearly);
  const frame = fc.oneof(
    text.map((given) => clientFrame(given)),
    fc.uint8Array().map((bytes) => clientFrame(Buffer.from(bytes), { opcode: 2 })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 10 }), async (frames) => {
      const peer = await openRaw(server);
      const before = server.stats();
      const answers = await converse(peer, frames);
      const after = server.stats();
      expect(after.received.messages - before.received.messages).toBe(frames.length + 1);
      const refusals = answers
        .map((answer) => JSON.parse(answer))
        .filter(([head, , refusal]) => head === "!" || refusal);
      expect(refusals).toHaveLength(after.invalid - before.invalid);
      expect([after.failures, peer.isEnded]).toEqual([[], false]);
      peer.socket.destroy();
    }),
    { numRuns: 200 },
  );
});

test("a call under way when the socket is cut is answered in the session that goes on, and its function ran once", async () => {
  const { server, clock } = await serveByHand({ handler, resume: true, heartbeat: false });
  const first = await Client.open(server.url, {}, ["sendall.1"]);
  await until(() => first.received.length === 1);
  const { session } = JSON.parse(String(first.received[0]).slice(1));
  first.send('["slow",50,1]');
  await until(() => server.stats().received.messages === 1);
  first.socket.resetAndDestroy();
  await until(() => server.stats().away === 1);
  clock.pass(50);
  await nextRound();
  // The client has sent a message, and has got none.
  const second = await Client.open(server.url, {}, ["sendall.1", `sendall.1.${session}.0.0.1`]);
  await until(() => second.received.length === 2);
  expect(JSON.parse(String(second.received[0]).slice(1))).toMatchObject({ why: "resumed", received: 1, replayed: 1 });
  second.send('["who",2]');
  await until(() => second.received.length === 3);
  expect(second.received.slice(1).map(String)).toEqual(["[1,50]", "[2]"]);
  expect(server.stats()).toMatchObject({ invalid: 0, failures: [] });
});

describe.each(["xhr-polling", "xhr-streaming", "websocket"])("over SockJS by %s", (transports) => {
  const sockjs: Partial<SockJsOptions> = {};

  test("messages, calls and refusals read as they do over a WebSocket", async () => {
    const { server } = await serveByHand({ handler, sockjs });
    const socket = new SockJS(server.url.replace("ws", "http"), undefined, { transports, timeout: 60_000 });
    onTestFinished(() => socket.close());
    const received: string[] = [];
    socket.onmessage = ({ data }) => void received.push(data);
    await new Promise<void>((resolve) => {
      socket.onopen = () => resolve();
    });
    const frames = [
      '["say",{"text":"\\u0000é\u2028"}]',
      '["join",{"room":"full"},7]',
      '["fail",8]',
      '["nope"]',
      '["who",9]',
    ];
    for (const frame of frames) socket.send(frame);
    await until(() => received.length === frames.length);
    expect(received).toEqual([
      JSON.stringify(["said", { text: "\u0000é\u2028" }]),
      '[7,null,{"reason":"FULL","message":"the room is full","data":{"room":"full"}}]',
      '[8,null,{"reason":"CALL_FAILED"}]',
      `["!",{"reason":"INVALID_MESSAGE",${WHOLE}"unknown name \\"nope\\""}]}]`,
      "[9]",
    ]);
  });

  test("a peer is closed with 1008 once its budget is used up", async () => {
    const { server } = await serveByHand({ handler, sockjs, supervise: { intensity: 1 } });
    const socket = new SockJS(server.url.replace("ws", "http"), undefined, { transports, timeout: 60_000 });
    onTestFinished(() => socket.close());
    const ended = new Promise<unknown>((resolve) => {
      socket.onclose = resolve;
    });
    socket.onopen = () => {
      for (let i = 0; i < 2; i++) socket.send("x");
    };
    expect(await ended).toMatchObject({ code: 1008, reason: "invalid messages" });
    expect(server.stats().invalid).toBe(2);
  });
});

test("rounds of calls, refusals, failures and invalid messages leave nothing behind in the heap", async () => {
  const { server, clock } = await serveByHand({ handler, supervise: { keepData: false, intensity: 1e9, periodMs: 1 } });
  const after: number[] = [];
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(server.url)));
    for (const client of clients) {
      for (let i = 0; i < 20; i++) {
        for (const name of ["who", "fail", "nope"]) client.send(`["${name}",${i}]`);
        client.send(`["join",{"room":"full"},${i}]`);
      }
      client.send('["slow",100,1]');
    }
    await until(() => {
      clock.pass(100);
      return clients.every(({ received }) => received.length >= 80);
    });
    // A call of each client is under way, or waits, when the client leaves.
    for (const { socket } of clients) socket.destroy();
    await until(() => {
      clock.pass(100);
      return server.stats().connections === 0;
    });
    after.push(heapInUse());
  }
  const [, second = 0] = after;
  expect(server.stats().invalid).toBeGreaterThan(3_000);
  expect(after.at(-1)).toBeLessThan(second * 1.05);
});
