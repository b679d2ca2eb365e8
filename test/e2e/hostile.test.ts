/** Peers that mean harm, or have lost their mind: whatever they send, do or leave undone, nobody else notices. */
import { isUtf8 } from "node:buffer";
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { Socket } from "node:net";
import type { ConnectionId, ServerEvent, ServerOptions } from "sendall";
import { describe, expect, onTestFailed, onTestFinished, test } from "vitest";
import type { HandlerFunction } from "../../src/api/handler.js";
import type { Server } from "../../src/server/server.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { Client, clientFrame, heapInUse, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

/** The kernel takes some 4 MB for a peer that does not read; a server that holds on to a flood shows far more. */
const HELD_BYTES = 2 * 1_048_576;

/** Numbers that look random and are the same for the same seed (xorshift32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** 0 ≤ n < `below`. */
  number(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  /** `true` once in so many times. */
  one(of: number): boolean {
    return this.number(of) === 0;
  }

  pick<const T>(items: readonly [T, ...T[]]): T {
    return items[this.number(items.length)] ?? items[0];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.number(256)));
  }
}

/** Dice for one test: their seed is that of `SENDALL_SEED`, if set, and is told when the test fails. */
function rollDice(): Dice {
  const given = process.env.SENDALL_SEED;
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  onTestFailed(() => console.error(`the seed was SENDALL_SEED=${seed}`));
  return new Dice(seed);
}

/** Sends a message whenever the last one was answered, for as long as the test goes on. */
class Companion {
  readonly id: ConnectionId;
  readonly #client: Client;
  #answers = 0;

  constructor(client: Client, id: ConnectionId) {
    this.#client = client;
    this.id = id;
    client.ws.removeAllListeners("message");
    client.ws.on("message", () => {
      this.#answers++;
      client.send("hello");
    });
    client.send("hello");
  }

  /** The first to come. */
  static async join(server: Server): Promise<Companion> {
    const client = await Client.open(`${server.url}${COMPANION}`);
    await until(() => server.connections().length === 1);
    return new Companion(client, server.connections()[0]?.id ?? ("" as ConnectionId));
  }

  /** Waits until a message that is sent from now on has been answered. */
  async isAnswered(): Promise<void> {
    const now = this.#answers;
    await until(() => this.#answers > now + 1 || this.#client.closed !== undefined);
    expect(this.#client.closed).toBeUndefined();
  }
}

const COMPANION = "companion";

/** Answers the companion, and hands on the rest. */
function besides(rest: HandlerFunction): HandlerFunction {
  return (event, bus) => {
    if (event.connection?.path !== `/${COMPANION}`) return rest(event, bus);
    if (event.type === "message") event.connection.send(event.data);
    return undefined;
  };
}

/** The native handles that are open, but for those of the test runner. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
}

interface Situation {
  readonly server: Server;
  readonly clock: HandClock;
  readonly companion: Companion;
  /** Waits until nothing is left of what has come since the start. */
  isAsBefore(): Promise<void>;
}

/** A server with a companion who is answered, whatever happens. */
async function stage(options: ServerOptions, handler: HandlerFunction = () => {}): Promise<Situation> {
  const { server, clock } = await serveByHand({ ...options, handler: besides(handler) });
  const companion = await Companion.join(server);
  await companion.isAnswered();
  const before = { handles: handles(), alarms: clock.alarms };
  const isAsBefore = async (): Promise<void> => {
    await until(
      () => server.stats().connections === 1 && clock.alarms === before.alarms && handles() <= before.handles,
    );
    expect(server.stats()).toMatchObject({ connections: 1, rooms: 0, paused: 0, failures: [] });
    await companion.isAnswered();
  };
  return { server, clock, companion, isAsBefore };
}

/** The end of a connection as both sides see it. */
interface Fate {
  /** What the handler got: `"text …"` and `"binary …"` for messages, `"error"`, `"closed <code> <by>"`. */
  readonly events: readonly string[];
  /** The frames that the peer got, opcode and payload in hex. */
  readonly frames: readonly string[];
}

/** What RFC 6455 wants done with the bytes of a client; written for this test, from the standard's text (section 5). */
class Oracle {
  readonly events: string[] = [];
  readonly frames: string[] = [];
  readonly #maxPayloadBytes: number;
  #rest: Buffer = Buffer.alloc(0);
  #opcode: number | undefined;
  #parts: Buffer[] = [];
  isOver = false;

  constructor(maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (!this.isOver && this.#readFrame());
  }

  /** The peer ends its side. */
  end(): Fate {
    if (!this.isOver) this.events.push("closed 1006 lost");
    return { events: this.events, frames: this.frames };
  }

  #readFrame(): boolean {
    const bytes = this.#rest;
    if (bytes.length < 2) return false;
    const first = bytes.readUInt8(0);
    const second = bytes.readUInt8(1);
    const opcode = first & 15;
    const short = second & 127;
    if (this.#isBad(first, second)) return this.#fail(1002);
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (bytes.length < 2 + lengthBytes) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    const held = this.#parts.reduce((sum, part) => sum + part.length, 0);
    if (opcode < 8 && length > 0 && held + length > this.#maxPayloadBytes) return this.#fail(1009);
    const start = 2 + lengthBytes + 4;
    if (bytes.length < start + length) return false;
    const mask = bytes.subarray(start - 4, start);
    const payload = Buffer.from(bytes.subarray(start, start + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
    this.#rest = bytes.subarray(start + length);
    return this.#take(opcode, (first & 128) !== 0, payload);
  }

  #isBad(first: number, second: number): boolean {
    const opcode = first & 15;
    if ((first & 0x70) !== 0 || (second & 128) === 0) return true;
    if (opcode === 0) return this.#opcode === undefined;
    if (opcode === 1 || opcode === 2) return this.#opcode !== undefined;
    if (opcode < 8 || opcode > 10) return true;
    return (first & 128) === 0 || (second & 127) > 125 || (opcode === 8 && (second & 127) === 1);
  }

  #take(opcode: number, isLast: boolean, payload: Buffer): boolean {
    if (opcode === 8) return this.#close(payload);
    if (opcode === 9) this.frames.push(`10 ${payload.toString("hex")}`);
    if (opcode >= 8) return true;
    const kind = opcode === 0 ? this.#opcode : opcode;
    this.#parts.push(payload);
    this.#opcode = isLast ? undefined : kind;
    if (!isLast) return true;
    const message = Buffer.concat(this.#parts);
    this.#parts = [];
    if (kind === 1 && !isUtf8(message)) return this.#fail(1007);
    this.events.push(`${kind === 1 ? "text" : "binary"} ${message.toString("hex")}`);
    return true;
  }

  #close(payload: Buffer): boolean {
    const code = payload.length === 0 ? 1005 : payload.readUInt16BE(0);
    const isGood =
      (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006 && (code !== 1005 || payload.length === 0)) ||
      (code >= 3000 && code <= 4999);
    if (!isGood) return this.#fail(1002);
    if (!isUtf8(payload.subarray(2))) return this.#fail(1007);
    this.isOver = true;
    this.events.push(`closed ${code} peer`);
    this.frames.push(`8 ${payload.toString("hex")}`);
    return false;
  }

  #fail(code: number): boolean {
    this.isOver = true;
    this.events.push("error", `closed ${code} server`);
    this.frames.push(`8 ${code.toString(16).padStart(4, "0")}`);
    return false;
  }
}

/** Masks a frame with what the dice say. */
function mask(bare: Buffer, payload: Buffer, dice: Dice): Buffer {
  const header = Buffer.from(bare.subarray(0, bare.length - payload.length));
  header.writeUInt8(header.readUInt8(1) | 128, 1);
  const key = dice.bytes(4);
  return Buffer.concat([header, key, payload.map((byte, i) => byte ^ (key[i % 4] ?? 0))]);
}

/** What there is to send when no message is under way, and when one is. */
const FIRST = [1, 1, 1, 2, 2, 9, 10] as const;
const NEXT = [0, 0, 0, 0, 9, 10] as const;

/** Makes frames as the standard wants them, nearly always. */
function talkative(dice: Dice): () => Buffer {
  let isUnderWay = false;
  return () => {
    const opcode = dice.one(60) ? 8 : dice.one(60) ? dice.number(16) : dice.pick(isUnderWay ? NEXT : FIRST);
    const isControl = opcode >= 8;
    const isLast = isControl || !dice.one(4);
    if (!isControl) isUnderWay = !isLast;
    const payload = payloadFor(opcode, dice);
    return mask(clientFrame(payload, { opcode, fin: isLast, masked: false }), payload, dice);
  };
}

function payloadFor(opcode: number, dice: Dice): Buffer {
  if (opcode === 8)
    return Buffer.concat([Buffer.from([3 + dice.number(14), 232 + dice.number(24)]), Buffer.from("bye")]);
  const length = dice.one(60) ? dice.number(3_000) : dice.number(40);
  if (opcode > 8) return dice.bytes(Math.min(length, 125));
  if (opcode === 2) return dice.bytes(length);
  const text = Buffer.from("é€x😀".repeat(length));
  return dice.one(40) ? text.subarray(0, 6) : text.subarray(0, 10 * dice.number(10));
}

/** A byte is another one, is missing or is one too many. */
function spoil(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.number(bytes.length);
  const added = dice.pick([dice.bytes(1), dice.bytes(1), Buffer.alloc(0), dice.bytes(2)]);
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + 1)]);
}

/** In what ways a peer makes its strings. */
const MANNERS: readonly [Manner, ...Manner[]] = [
  (dice) => () => dice.bytes(1 + dice.number(60)),
  talkative,
  (dice) => {
    const next = talkative(dice);
    return () => (dice.one(30) ? spoil(next(), dice) : next());
  },
];

type Manner = (dice: Dice) => () => Buffer;

/** So many strings go to one connection, and to one that is already closed. */
const MOST_STRINGS = 50;
const TOO_LATE = 2;

/** The strings for one connection, and what they have to come to. */
function stringsFor(dice: Dice, maxPayloadBytes: number): { readonly strings: Buffer[]; readonly fate: Fate } {
  const next = dice.pick(MANNERS)(dice);
  const oracle = new Oracle(maxPayloadBytes);
  const strings: Buffer[] = [];
  for (let late = 0; strings.length < MOST_STRINGS && late <= TOO_LATE; late += oracle.isOver ? 1 : 0) {
    const bytes = next();
    strings.push(bytes);
    oracle.read(bytes);
  }
  return { strings, fate: oracle.end() };
}

describe("random byte strings", () => {
  test("100,000 of them as frames: each connection gets what RFC 6455 demands, and nothing is left behind", async () => {
    const dice = rollDice();
    const maxPayloadBytes = 2_500;
    const seen = new Map<string, string[]>();
    const fates = new Set<string>();
    const { server, companion, isAsBefore } = await stage({ maxPayloadBytes }, (event) => {
      const events = seen.get(event.connection?.path ?? "");
      if (event.type === "message")
        events?.push(
          `${typeof event.data === "string" ? "text" : "binary"} ${Buffer.from(event.data).toString("hex")}`,
        );
      else if (event.type === "closed") events?.push(`closed ${event.code} ${event.by}`);
      else if (event.type === "error") events?.push("error");
    });

    const meet = async (path: string): Promise<number> => {
      const { strings, fate } = stringsFor(dice, maxPayloadBytes);
      const events: string[] = [];
      seen.set(path, events);
      const peer = new RawPeer(server.port);
      peer.write(upgradeRequest(path));
      for (const bytes of strings) peer.write(bytes);
      // Whoever has broken a rule or asked to close is left by the server; the others leave.
      if (fate.events.at(-1) === "closed 1006 lost") peer.socket.end();
      await until(() => peer.isEnded && (events.at(-1)?.startsWith("closed") ?? false));
      seen.delete(path);
      fates.add((fate.events.at(-1) ?? "").replace(/\d+ peer/, "by peer"));
      const frames = peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString("hex")}`);
      expect({ events, frames }, strings.map((bytes) => bytes.toString("hex")).join("\n")).toEqual(fate);
      return strings.length;
    };

    let sent = 0;
    const round = async (count: number): Promise<void> => {
      for (const end = sent + count; sent < end; ) {
        const batch = await Promise.all(Array.from({ length: 64 }, (_, i) => meet(`/${i}`)));
        sent = batch.reduce((sum, strings) => sum + strings, sent);
        await companion.isAnswered();
      }
    };
    await round(10_000);
    await isAsBefore();
    const heap = heapInUse();
    await round(90_000);
    await isAsBefore();
    // The strings have tried what there is to try.
    for (const end of ["1002 server", "1007 server", "1009 server", "1006 lost", "by peer"])
      expect(fates).toContain(`closed ${end}`);
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES);
  });

  test("10,000 of them as handshakes, reset by the client: each is refused with the right status, and nothing is left behind", async () => {
    const dice = rollDice();
    const { server, clock, companion, isAsBefore } = await stage({});
    const arrivals = watchArrivals(server.port);
    const statuses = new Set<number>();

    const meet = async (batch: readonly Handshake[]): Promise<void> => {
      const peers = batch.map(() => new RawPeer(server.port));
      await Promise.all(peers.map(({ socket }) => once(socket, "connect")));
      for (const [i, { bytes, isImpatient }] of batch.entries()) {
        peers[i]?.write(bytes);
        if (isImpatient) peers[i]?.socket.resetAndDestroy();
      }
      const patient = batch.flatMap((handshake, i) => (handshake.isImpatient ? [] : [{ handshake, peer: peers[i] }]));
      // Everything is read; what is no whole request by now, nothing can end but time.
      await until(() => patient.every(({ handshake: { bytes }, peer }) => arrivals.hasRead(peer, bytes.length)));
      clock.pass(10_000);
      await until(() => patient.every(({ peer }) => peer?.isEnded || peer?.bytes.includes("\r\n\r\n")));
      for (const { handshake, peer } of patient) {
        const status = Number(/^HTTP\/1\.1 (\d+) /.exec(peer?.bytes.toString() ?? "")?.[1] ?? 0);
        statuses.add(status);
        expect(handshake.right, `${status}: ${JSON.stringify(handshake.bytes.toString("latin1"))}`).toContain(status);
        peer?.socket.resetAndDestroy();
      }
      await until(() => peers.every(({ isEnded }) => isEnded) && arrivals.areGone());
      await companion.isAnswered();
    };

    const round = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 100) await meet(Array.from({ length: 100 }, () => handshake(dice)));
    };
    await round(1_000);
    await isAsBefore();
    const heap = heapInUse();
    await round(9_000);
    await isAsBefore();
    for (const status of [101, 400, 405, 408, 426, 431]) expect(statuses).toContain(status);
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES);
  });
});

/** The server's ends of what connects to it. */
function watchArrivals(port: number): {
  hasRead: (peer: RawPeer | undefined, bytes: number) => boolean;
  areGone: () => boolean;
} {
  const sockets = new Map<number, Socket>();
  const arrived = (message: unknown): void => {
    const socket = typeof message === "object" && message !== null && "socket" in message ? message.socket : undefined;
    if (!(socket instanceof Socket) || socket.localPort !== port || socket.remotePort === undefined) return;
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.once("close", () => sockets.delete(remotePort));
  };
  const arrivals = channel("net.server.socket");
  arrivals.subscribe(arrived);
  onTestFinished(() => void arrivals.unsubscribe(arrived));
  return {
    hasRead: (peer, bytes) =>
      peer === undefined ||
      peer.isEnded ||
      peer.bytes.length > 0 ||
      sockets.get(peer.socket.localPort ?? 0)?.bytesRead === bytes,
    areGone: () => sockets.size === 0,
  };
}

interface Handshake {
  readonly bytes: Buffer;
  /** The statuses that are right for it; 0 is none at all. */
  readonly right: readonly number[];
  /** Resets its connection without waiting for the answer. */
  readonly isImpatient: boolean;
}

/** Any status that a refusal has; 101 if the damage does not matter, 0 for what Node does not answer (CONNECT). */
const ANY = [0, 101, 400, 404, 405, 408, 417, 426, 431];

function handshake(dice: Dice): Handshake {
  const good = upgradeRequest();
  const isImpatient = dice.one(3);
  const made = (text: string | Buffer, ...right: number[]): Handshake => ({
    bytes: Buffer.from(text),
    right,
    isImpatient,
  });
  const word = (): string => dice.bytes(1 + dice.number(8)).toString("hex");
  switch (dice.number(12)) {
    case 0:
      return made(good.replace("GET", dice.pick(["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])), 405);
    case 1:
      return made(good.replace("GET", `X${word()}`), 400);
    case 2:
      return made(good.replace("Version: 13", `Version: ${dice.pick(["8", "0", "14", "-13", "x"])}`), 426);
    case 3:
      return made(good.replace(/Key: .*/, `Key: ${word()}`), 400);
    case 4:
      // No upgrade then, but a request for a page.
      return made(good.replace("Upgrade: websocket", `Upgrade: ${word()}`), 426);
    case 5:
      return made(good.replace("Connection: Upgrade", `Connection: ${word()}`), 426);
    case 6:
      // An end that never comes: the head is late.
      return made(good.slice(0, 1 + dice.number(good.length - 2)), 408);
    case 7:
      return made(
        good.replace("\r\n\r\n", `\r\nX-Long: ${word().repeat(dice.one(20) ? 10_000 : 1)}\r\n\r\n`),
        101,
        431,
      );
    case 8:
    case 9:
      return made(dice.bytes(1 + dice.number(200)), 400, 408);
    default: {
      let bytes = Buffer.from(good);
      for (let i = dice.number(4); i >= 0; i--) bytes = Buffer.from(spoil(bytes, dice));
      return made(bytes, ...ANY);
    }
  }
}

describe("a peer that never", () => {
  /** The `closed` events of the hostile. */
  function goodbyes(): { readonly endings: unknown[]; readonly handler: (event: ServerEvent) => void } {
    const endings: unknown[] = [];
    const handler = (event: ServerEvent): void => {
      if (event.type === "message" && event.text === "close me") event.connection.close(4_000, "as you wish");
      if (event.type === "closed") endings.push([event.code, event.reason, event.wasClean, event.by]);
    };
    return { endings, handler };
  }

  test("answers a ping is cut by the heartbeat, and one that answers is not", async () => {
    const { endings, handler } = goodbyes();
    const { server, clock, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const good = await Client.open(server.url);
    const pings: unknown[] = [];
    good.ws.on("ping", (data) => pings.push(data));
    await until(() => server.stats().connections === 3);
    clock.pass(25_000);
    await until(() => peer.frames.length === 1 && pings.length === 1);
    expect(peer.frames).toMatchObject([{ opcode: 9 }]);
    // Its pong is in, and that of the companion, who was silent for as long.
    await until(() => server.connections().filter(({ roundTripMs }) => roundTripMs !== undefined).length === 2);
    clock.pass(19_999);
    expect(server.stats().connections).toBe(3);
    clock.pass(1);
    await until(() => peer.isEnded && endings.length === 1);
    expect(endings).toEqual([[1006, "", false, "lost"]]);
    expect(good.closed).toBeUndefined();
    good.ws.close();
    await isAsBefore();
  });

  test("answers the close frame is cut after closeTimeoutMs", async () => {
    const { endings, handler } = goodbyes();
    // Longer than any test: only the hand that drives the clock can end it.
    const { server, clock, isAsBefore } = await stage({ closeTimeoutMs: 3_600_000, heartbeat: false }, handler);
    const peer = new RawPeer(server.port);
    peer.socket.allowHalfOpen = true;
    peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("close me")]));
    await until(() => peer.frames.length === 1);
    expect(peer.frames).toEqual([{ opcode: 8, payload: Buffer.from("\x0f\xa0as you wish", "latin1") }]);
    clock.pass(3_599_999);
    await new Promise((written) => peer.socket.write(clientFrame("but I have so much to say"), written));
    expect([peer.isEnded, endings]).toEqual([false, []]);
    clock.pass(1);
    await until(() => endings.length === 1);
    expect(endings).toEqual([[4_000, "as you wish", false, "server"]]);
    peer.socket.destroy();
    await isAsBefore();
  });

  test.each([
    ["close", [1013, "slow consumer", false, "server"]],
    ["dropOldest", [1006, "", false, "lost"]],
    ["dropNewest", [1006, "", false, "lost"]],
  ] as const)('reads is held a bounded amount for with "%s", and is cut in the end', async (slowConsumer, ending) => {
    const maxBufferedBytes = 262_144;
    const message = Buffer.alloc(65_536);
    const { endings, handler } = goodbyes();
    const { server, clock, companion, isAsBefore } = await stage(
      { outbox: { slowConsumer, maxBufferedBytes } },
      handler,
    );
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest("/stalled"));
    await until(() => server.connections().length === 2);
    peer.socket.pause();
    const [stalled] = server.connections().filter(({ path }) => path === "/stalled");
    // Four times what the kernel takes for it.
    for (let i = 0; i < 256; i++) {
      server.broadcast(message, companion.id);
      await companion.isAnswered();
    }
    expect(stalled?.bufferedAmount).toBeGreaterThan(0);
    expect(stalled?.bufferedAmount).toBeLessThanOrEqual(maxBufferedBytes + message.length + 20);
    expect(server.stats().slowConsumers).toBe(1);
    expect(endings).toEqual([]);
    // With "close" it is being closed, but its close frame has to wait until it reads; else its heartbeat is missed.
    expect(stalled?.isOpen).toBe(slowConsumer !== "close");
    clock.pass(25_000);
    await companion.isAnswered();
    clock.pass(20_000);
    await until(() => endings.length === 1);
    expect(endings).toEqual([ending]);
    peer.socket.destroy();
    await isAsBefore();
  });
});

/** Writes a frame again and again, as fast as it is taken, or until there is nobody to take it. */
async function flood(peer: RawPeer, frame: Buffer, count: number): Promise<void> {
  const { socket } = peer;
  let isTaken = true;
  socket.on("drain", () => {
    isTaken = true;
  });
  for (let i = 0; i < count && !peer.isEnded; i += 1_000) {
    const frames = Buffer.concat(Array<Buffer>(Math.min(1_000, count - i)).fill(frame));
    isTaken = socket.write(frames);
    await until(() => isTaken || peer.isEnded);
  }
}

describe("a flood of", () => {
  /** What the handler got from the hostile: how many of each, and how it ended. */
  function tally(): { readonly counts: Map<string, number>; readonly handler: (event: ServerEvent) => void } {
    const counts = new Map<string, number>();
    const handler = (event: ServerEvent): void => {
      const name = event.type === "closed" ? `closed ${event.code}` : event.type;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (event.type === "message" && event.text !== "") event.connection.send(String(event.text.length));
    };
    return { counts, handler };
  }

  test("10,000 pings at once is answered to the last if the peer that sent it reads", async () => {
    const { counts, handler } = tally();
    const { server, companion, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    await until(() => counts.has("open"));
    const heap = heapInUse();
    const pings = flood(peer, clientFrame(Buffer.alloc(125), { opcode: 9 }), 10_000);
    await companion.isAnswered();
    await pings;
    const pongBytes = 10_000 * 127;
    await until(() => peer.socket.bytesRead >= pongBytes);
    peer.socket.resetAndDestroy();
    await isAsBefore();
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES + pongBytes);
  });

  test("100,000 pings cuts the peer that sent it and does not read", async () => {
    const { counts, handler } = tally();
    const { server, companion, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    await until(() => counts.has("open"));
    peer.socket.pause();
    await Promise.all([flood(peer, clientFrame(Buffer.alloc(125), { opcode: 9 }), 100_000), companion.isAnswered()]);
    await until(() => counts.has("closed 1006"));
    // Where the kernel says that the pongs went nowhere, an error has come before it.
    const { error = 0, ...others } = Object.fromEntries(counts);
    expect(error).toBeLessThanOrEqual(1);
    expect(others).toEqual({ open: 1, "closed 1006": 1 });
    peer.socket.destroy();
    await isAsBefore();
  });

  test("pings that waits for each pong is answered to the last", async () => {
    const { server, isAsBefore } = await stage({});
    const client = await Client.open(server.url);
    for (let i = 0; i < 1_000; i++) {
      client.ws.ping(String(i));
      const [payload] = await once(client.ws, "pong");
      expect(String(payload)).toBe(String(i));
    }
    client.ws.close();
    await isAsBefore();
  });

  test("200,000 pongs that nobody asked for is taken in good part", async () => {
    const { counts, handler } = tally();
    const { server, companion, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    await until(() => counts.has("open"));
    const heap = heapInUse();
    const pongs = flood(peer, clientFrame("", { opcode: 10 }), 200_000);
    await companion.isAnswered();
    await pongs;
    peer.write(clientFrame("four"));
    await until(() => peer.frames.length === 1);
    expect(peer.frames).toEqual([{ opcode: 1, payload: Buffer.from("4") }]);
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES);
    peer.socket.resetAndDestroy();
    await isAsBefore();
  });

  test("200,000 empty messages is handled to the last, and others in between", async () => {
    const { counts, handler } = tally();
    const { server, companion, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    await until(() => counts.has("open"));
    const heap = heapInUse();
    const messages = flood(peer, clientFrame(""), 200_000);
    await companion.isAnswered();
    expect(counts.get("message") ?? 0).toBeLessThan(200_000);
    await messages;
    peer.write(clientFrame("four"));
    await until(() => peer.frames.length === 1);
    expect(Object.fromEntries(counts)).toEqual({ open: 1, message: 200_001 });
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES);
    peer.socket.resetAndDestroy();
    await isAsBefore();
  });

  test("16,384 fragments is one message, and a flood of 100,000 is closed with 1008", async () => {
    const { counts, handler } = tally();
    const { server, companion, isAsBefore } = await stage({}, handler);
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    const fragment = clientFrame("x", { opcode: 0, fin: false });
    peer.write(clientFrame("x", { fin: false }));
    await flood(peer, fragment, 16_382);
    peer.write(clientFrame("x", { opcode: 0 }));
    await until(() => peer.frames.length === 1);
    expect(peer.frames).toEqual([{ opcode: 1, payload: Buffer.from("16384") }]);
    const heap = heapInUse();
    peer.write(clientFrame("x", { fin: false }));
    await Promise.all([flood(peer, fragment, 99_999), companion.isAnswered()]);
    await until(() => counts.has("closed 1008"));
    expect(peer.frames.slice(1)).toEqual([{ opcode: 8, payload: Buffer.from([1_008 >> 8, 1_008 & 255]) }]);
    expect(Object.fromEntries(counts)).toEqual({ open: 1, message: 1, error: 1, "closed 1008": 1 });
    await isAsBefore();
    expect(heapInUse() - heap).toBeLessThan(HELD_BYTES);
  });
});

describe("a peer that ends its side", () => {
  test.each<[when: string, sent: string, events: string[], answer: RegExp]>([
    ["right after the handshake is gone", upgradeRequest(), ["open", "closed 1006 lost"], /^HTTP\/1\.1 101 /],
    ["in the middle of the head is refused", upgradeRequest().slice(0, 80), [], /^HTTP\/1\.1 400 /],
    ["before a single byte is let go", "", [], /^$/],
  ])("%s", async (_when, sent, expected, answer) => {
    const events: string[] = [];
    const { server, isAsBefore } = await stage({}, (event) => {
      events.push(event.type === "closed" ? `closed ${event.code} ${event.by}` : event.type);
    });
    const peers = Array.from({ length: 20 }, () => new RawPeer(server.port));
    for (const peer of peers) {
      // It keeps its ear open for as long as it lives: the server has to end this.
      peer.socket.allowHalfOpen = true;
      if (sent !== "") peer.write(sent);
      peer.socket.end();
    }
    await until(() => peers.every(({ socket }) => socket.readableEnded && socket.writableFinished));
    for (const { bytes } of peers) expect(bytes.toString()).toMatch(answer);
    for (const { socket } of peers) socket.destroy();
    await isAsBefore();
    expect(events.sort()).toEqual(
      Array.from({ length: 20 }, () => expected)
        .flat()
        .sort(),
    );
  });

  test("has all of its messages handled that wait when it goes", async () => {
    const events: string[] = [];
    let goOn = (): void => {};
    const { server, isAsBefore } = await stage({}, async (event) => {
      events.push(event.type === "message" ? event.text : event.type);
      if (event.type !== "message" || event.text !== "0") return;
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    });
    const peer = new RawPeer(server.port);
    peer.write(upgradeRequest());
    // No more than lets the server see the end behind them.
    for (let i = 0; i < 60; i++) peer.write(clientFrame(String(i)));
    peer.socket.end();
    await until(() => peer.isEnded && events.length === 2 && server.stats().connections === 1);
    goOn();
    await isAsBefore();
    expect(events).toEqual(["open", ...Array.from({ length: 60 }, (_, i) => String(i)), "closed"]);
  });
});

test("a handler that never returns holds up the others for handlerTimeoutMs, and its causer is closed after intensity", async () => {
  const { server, clock } = await serveByHand({
    handlerTimeoutMs: 2_000,
    supervise: { intensity: 1, periodMs: 60_000 },
    async handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "hang") await new Promise(() => {});
      bus.unicast(event.data, event.connection);
    },
  });
  const bad = await Client.open(server.url);
  const others = await Promise.all(Array.from({ length: 20 }, () => Client.open(server.url)));
  for (let i = 1; i <= 2; i++) {
    bad.send("hang");
    await until(() => server.stats().received.messages === 21 * (i - 1) + 1);
    for (const other of others) other.send(`round ${i}`);
    await until(() => server.stats().received.messages === 21 * i);
    clock.pass(1_999);
    await until(() => server.stats().failures.length === i - 1);
    expect(others.flatMap(({ received }) => received)).toHaveLength(20 * (i - 1));
    clock.pass(1);
    await until(() => others.every(({ received }) => received.length === i));
  }
  expect(await bad.ended()).toEqual({ code: 1011, reason: "handler failed" });
  expect(server.stats().failures).toMatchObject(
    Array.from({ length: 2 }, () => ({ event: "message", data: "hang", error: { code: "HANDLER_TIMEOUT" } })),
  );
  expect(server.stats().connections).toBe(20);
});
