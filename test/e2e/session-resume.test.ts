/** Sessions over real sockets: cut in the midst of frames, with compression, taken over, ended by broken bytes; and what keeps a process alive. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import type { ServerEvent } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { upgradeWith } from "./asking.js";
import { Client, clientFrame, nextRound, RawPeer, serveByHand, until } from "./peers.js";

interface Welcome {
  readonly session: string;
  readonly why: string;
  readonly received: number;
  readonly from: number;
  readonly replayed: number;
  readonly lost: number;
}

/** What a peer got: the welcome and the messages. */
class Session {
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  static async open(url: string, offer = "", options = {}): Promise<Session> {
    const protocols = offer === "" ? ["sendall.1"] : ["sendall.1", offer];
    const session = new Session(await Client.open(url, options, protocols));
    await until(() => session.client.received.length > 0 || session.client.closed !== undefined);
    return session;
  }

  get welcome(): Welcome {
    return JSON.parse(String(this.client.received[0]).slice(1));
  }

  get messages(): string[] {
    return this.client.received.slice(1).map(String);
  }

  async cut(): Promise<void> {
    this.client.socket.resetAndDestroy();
    await this.client.ended();
  }
}

async function serve(options: object = {}) {
  const events: string[] = [];
  const { server, clock } = await serveByHand({
    heartbeat: false,
    resume: true,
    ...options,
    handler(event: ServerEvent) {
      const { type } = event;
      if (type === "message") events.push(event.text);
      else events.push(type === "closed" ? `closed ${event.code} ${event.by}` : type);
    },
  });
  const isAway = (): boolean => server.stats().away === 1;
  return { server, clock, events, isAway };
}

function texts(count: number, bytes: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i} `.padEnd(bytes, "x"));
}

describe("a session over real sockets", () => {
  test("brings what was under way when a client that does not read is cut", async () => {
    const { server, isAway, events } = await serve({ resume: { maxBytes: 16_000_000 } });
    const first = await Session.open(server.url);
    first.client.send("~a0");
    first.client.socket.pause();
    const sent = texts(600, 10_000);
    for (const text of sent.slice(0, 90)) server.sendall(text);
    await nextRound();
    await first.cut();
    await until(isAway);
    for (const text of sent.slice(90)) server.sendall(text);
    const had = first.messages.length;
    const second = await Session.open(server.url, `sendall.1.${first.welcome.session}.${had}.0.1`);
    expect(second.welcome).toMatchObject({ why: "resumed", from: had, replayed: 600 - had, lost: 0 });
    await until(() => second.messages.length === 600 - had);
    expect([...first.messages, ...second.messages]).toEqual(sent);
    expect([events, server.stats()]).toMatchObject([["open", "away", "back"], { slowConsumers: 0, dropped: 0 }]);
  });

  test("brings a kept message with compression and without, and counts it once", async () => {
    const { server, isAway } = await serve({ compression: true });
    const text = "a".repeat(20_000);
    let session = await Session.open(server.url, "", { perMessageDeflate: true });
    const { session: token } = session.welcome;
    for (const [dial, perMessageDeflate] of [true, false, true].entries()) {
      await session.cut();
      await until(isAway);
      if (dial === 0) server.sendall(text);
      expect(server.connections()[0]?.bufferedAmount).toBe(text.length + 4);
      session = await Session.open(server.url, `sendall.1.${token}.0.0.${dial + 1}`, { perMessageDeflate });
      await until(() => session.messages.length === 1);
      expect(session.messages).toEqual([text]);
      expect(session.client.ws.extensions).toBe(perMessageDeflate ? "permessage-deflate" : "");
    }
  });

  test("has one end of a message that was cut in two: the message arrives once, when it is sent again", async () => {
    const { server, isAway, events } = await serve();
    const offer = (name: string): string => upgradeWith({ "Sec-WebSocket-Protocol": name });
    const first = new RawPeer(server.port);
    first.write(offer("sendall.1"));
    await until(() => first.frames.length === 1);
    const token = JSON.parse(String(first.frames[0]?.payload).slice(1)).session;
    const message = clientFrame("x".repeat(1_000));
    first.write(Buffer.concat([clientFrame("whole"), message.subarray(0, 500)]));
    await until(() => events.length === 2);
    first.socket.resetAndDestroy();
    await until(isAway);
    const second = new RawPeer(server.port);
    second.write(offer(`sendall.1, sendall.1.${token}.0.0.1`));
    await until(() => second.frames.length === 1);
    expect(JSON.parse(String(second.frames[0]?.payload).slice(1))).toMatchObject({ why: "resumed", received: 1 });
    second.write(message);
    await until(() => events.length === 5);
    expect(events).toEqual(["open", "whole", "away", "back", "x".repeat(1_000)]);
    second.socket.destroy();
  });

  test("is taken over in the midst of messages both ways: each arrives once, in order, and nobody is told", async () => {
    const { server, events } = await serve();
    const up = texts(300, 1_000);
    const down = texts(300, 1_000);
    let session = await Session.open(server.url);
    const { session: token } = session.welcome;
    const got: string[] = [];
    let next = 0;
    for (let dial = 1; dial <= 10; dial++) {
      for (const text of up.slice(next, next + 30)) session.client.send(text);
      for (const text of down.slice(30 * (dial - 1), 30 * dial)) server.sendall(text);
      got.push(...session.messages);
      const old = session;
      // What the old socket gets from now on is nothing to its client.
      session = await Session.open(server.url, `sendall.1.${token}.${got.length}.0.${dial}`);
      expect(await old.client.ended()).toEqual({ code: 1_008, reason: "session taken over" });
      next = session.welcome.received;
    }
    for (const text of up.slice(next)) session.client.send(text);
    await until(() => events.length > 300 && got.length + session.messages.length === 300);
    expect(events).toEqual(["open", ...up]);
    expect([...got, ...session.messages]).toEqual(down);
    expect(server.stats()).toMatchObject({ opened: 1, closed: 0, connections: 1, resumed: 10, gaps: 0 });
  });
});

describe("a session ends with", () => {
  test.each<[what: string, bytes: Buffer, code: number]>([
    ["a text that is no UTF-8", clientFrame(Buffer.from([0xff])), 1_007],
    ["an opcode that is reserved", clientFrame("x", { opcode: 3 }), 1_002],
    ["a frame without a mask", clientFrame("x", { masked: false }), 1_002],
    ["a message that is too long", clientFrame("x".repeat(2_000)), 1_009],
  ])("%s, and its client gets a fresh one", async (_what, bytes, code) => {
    const { server, events } = await serve({ maxPayloadBytes: 1_000 });
    const peer = new RawPeer(server.port);
    peer.write(upgradeWith({ "Sec-WebSocket-Protocol": "sendall.1" }));
    await until(() => peer.frames.length === 1);
    const token = JSON.parse(String(peer.frames[0]?.payload).slice(1)).session;
    peer.write(bytes);
    await until(() => peer.frames.at(-1)?.opcode === 8);
    expect(peer.frames.at(-1)?.payload.readUInt16BE(0)).toBe(code);
    peer.socket.destroy();
    await until(() => events.length === 3);
    expect(events).toEqual(["open", "error", `closed ${code} server`]);
    const fresh = await Session.open(server.url, `sendall.1.${token}.0.0.1`);
    expect(fresh.welcome.why).toBe("expired");
  });

  test("more at once than a paused socket may bring, with 1008", async () => {
    const ends: string[] = [];
    const { server } = await serveByHand({
      resume: true,
      heartbeat: false,
      compression: true,
      maxPayloadBytes: 1_048_576,
      mailbox: { maxBytes: 10_000 },
      async handler(event: ServerEvent) {
        if (event.type === "message") await once(event.connection.signal, "abort");
        if (event.type === "closed") ends.push(`${event.code} ${event.by} ${event.wasClean}`);
        if (event.type === "away") ends.push("away");
      },
    });
    const peer = new RawPeer(server.port);
    const extension = { "Sec-WebSocket-Extensions": "permessage-deflate" };
    peer.write(upgradeWith({ "Sec-WebSocket-Protocol": "sendall.1", ...extension }));
    await until(() => peer.frames.length === 1);
    const token = JSON.parse(String(peer.frames[0]?.payload).slice(1)).session;
    const frame = clientFrame(deflateRawSync("x".repeat(200_000), { finishFlush: 2 }).subarray(0, -4));
    frame[0] = (frame[0] ?? 0) | 0x40;
    // In one read: the first message pauses the socket, and those behind have arrived already.
    peer.write(Buffer.concat([frame, frame, frame, frame, frame]));
    await until(() => peer.frames.at(-1)?.opcode === 8);
    const { payload } = peer.frames.at(-1) ?? { payload: Buffer.alloc(0) };
    expect([payload.readUInt16BE(0), String(payload.subarray(2))]).toEqual([1_008, "too much at once"]);
    peer.write(clientFrame(payload, { opcode: 8 }));
    await until(() => ends.length > 0);
    expect([ends, server.stats()]).toMatchObject([["1008 server true"], { connections: 0, away: 0 }]);
    const fresh = await Session.open(server.url, `sendall.1.${token}.0.0.1`);
    expect(fresh.welcome.why).toBe("expired");
  });
});

test("a process ends once its server has closed, whatever was away, ended or said goodbye to", async () => {
  const source = `
    import { once } from "node:events";
    import { serve } from "sendall";
    import { WebSocket } from "ws";
    const closed = [];
    const server = await serve({ port: 0, logger: false, closeTimeoutMs: 3_600_000, resume: { graceMs: 3_600_000 }, handler(event) {
      if (event.type === "closed") closed.push([event.code, event.reason, event.unacknowledged]);
    } });
    const open = async (...names) => {
      const socket = new WebSocket(server.url, ["sendall.1", ...names]);
      socket.on("error", () => {});
      const [welcome] = await once(socket, "message");
      return { socket, token: JSON.parse(String(welcome).slice(1)).session };
    };
    const [away, ended, taken] = [await open(), await open(), await open()];
    away.socket.terminate();
    ended.socket.terminate();
    while (server.stats().away < 2) await new Promise(setImmediate);
    server.sendall("kept");
    server.connections()[1].close(4000, "out");
    await open("sendall.1." + taken.token + ".0.0.1");
    await server.close();
    console.log(JSON.stringify(closed));
  `;
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill());
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(JSON.parse(output)).toEqual([
    [4_000, "out", 1],
    [1_001, "going away", 1],
    [1_001, "going away", 1],
  ]);
});
