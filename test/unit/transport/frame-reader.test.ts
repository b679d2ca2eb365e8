/** The reader of whole frames ahead of `ws`: whatever a peer sends, however it is cut, a socket with a reader does what `ws` alone does. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type FrameReader, type MessageTaker, type ReadAhead, readAhead } from "../../../src/transport/frame-reader.js";

const MAX_PAYLOAD = 400;

interface FrameShape {
  readonly first: number;
  readonly isMasked: boolean;
  readonly mask: readonly number[];
  readonly payload: Uint8Array;
  /** Longer than the payload needs. */
  readonly hasLongLength: boolean;
}

function encode({ first, isMasked, mask, payload, hasLongLength }: FrameShape): Buffer {
  const { length } = payload;
  const code = length >= 65_536 ? 127 : length > 125 || hasLongLength ? 126 : length;
  const extended = Buffer.alloc(code === 127 ? 8 : code === 126 ? 2 : 0);
  if (code === 127) extended.writeBigUInt64BE(BigInt(length));
  else if (code === 126) extended.writeUInt16BE(length);
  const body = isMasked ? payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)) : payload;
  return Buffer.concat([
    Buffer.of(first, code + (isMasked ? 0x80 : 0)),
    extended,
    Buffer.from(isMasked ? mask : []),
    body,
  ]);
}

class Peer extends WebSocket implements MessageTaker {
  reading: ReadAhead | undefined = undefined;
  reader: FrameReader | undefined = undefined;
  readonly log: string[] = [];
  /** How many messages came past `ws`. */
  taken = 0;

  take(message: string | Buffer): void {
    this.taken++;
    this.#note(Buffer.from(message), typeof message !== "string");
  }

  override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
    if (event === "message" || event === "ping" || event === "pong") this.reader?.onEmitted();
    if (event === "message") this.#note(first as Buffer, second === true);
    else if (event !== "open" && event !== "close")
      this.log.push(`${String(event)} ${first instanceof Error ? first.message : String(first)}`);
    return true;
  }

  override close(code?: number, reason?: string | Buffer): void {
    this.reader?.stop();
    this.log.push(`close ${code} ${String(reason ?? "")}`);
  }

  #note(data: Buffer, isBinary: boolean): void {
    this.log.push(`${isBinary ? "binary" : "text"} ${data.toString("hex")}`);
  }
}

/** What a socket brings its owner, with a reader or without. */
async function play(chunks: readonly Buffer[], hasReader: boolean): Promise<Peer> {
  const options = { noServer: true, clientTracking: false, autoPong: false, maxPayload: MAX_PAYLOAD, WebSocket: Peer };
  const server = new WebSocketServer(options);
  const socket = new Socket();
  socket.write = () => true;
  const request = new IncomingMessage(socket);
  request.method = "GET";
  Object.assign(request.headers, {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  });
  const peer = await new Promise<Peer>((resolve) => {
    server.handleUpgrade(request, socket, Buffer.alloc(0), (ws) => {
      const upgraded = ws as Peer;
      if (hasReader) upgraded.reading = readAhead(socket, upgraded, MAX_PAYLOAD);
      resolve(upgraded);
    });
  });
  // Copied: both ways unmask in place.
  for (const chunk of chunks) {
    socket.emit("data", Buffer.from(chunk));
    await Promise.resolve();
  }
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  return peer;
}

const anyPayload = fc.oneof(
  fc.string({ maxLength: 20 }).map((text) => Buffer.from(text)),
  fc.string({ unit: "binary", maxLength: 10 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }),
  fc.uint8Array({ minLength: 120, maxLength: 130 }),
  fc.integer({ min: MAX_PAYLOAD - 1, max: MAX_PAYLOAD + 1 }).map((length) => Buffer.alloc(length, "a")),
);

const shaped = (
  first: fc.Arbitrary<number>,
  payload: fc.Arbitrary<Uint8Array> = anyPayload,
): fc.Arbitrary<FrameShape> =>
  fc.record({
    first,
    isMasked: fc.integer({ max: 60, min: 0 }).map((n) => n > 0),
    mask: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 }),
    payload,
    hasLongLength: fc.integer({ max: 20, min: 0 }).map((n) => n === 0),
  });

const short = fc.uint8Array({ maxLength: 6 });
const anyFrame = fc.oneof(
  { weight: 8, arbitrary: shaped(fc.constantFrom(0x81, 0x82)) },
  { weight: 2, arbitrary: shaped(fc.constantFrom(0x89, 0x8a), short) },
  { weight: 2, arbitrary: shaped(fc.constantFrom(0x01, 0x02, 0x00, 0x80), fc.constant(Buffer.from("part"))) },
  { weight: 1, arbitrary: shaped(fc.constantFrom(0x88, 0xc1, 0x09, 0x83, 0x8b, 0xa1)) },
);

/** A message, and the last part of a message in two. */
const ordinary = fc.oneof(
  shaped(
    fc.constantFrom(0x81, 0x82),
    fc.string({ maxLength: 20 }).map((text) => Buffer.from(text)),
  ).map((frame) => [frame]),
  shaped(fc.constant(0x89), short).map((frame) => [frame]),
  fc.tuple(
    shaped(fc.constant(0x01), short.map(Buffer.from)),
    shaped(fc.constant(0x80), fc.constant(Buffer.from("end"))),
  ),
);

const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 });

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) break;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  if (at < bytes.length) chunks.push(bytes.subarray(at));
  return chunks;
}

async function doBoth(frames: readonly FrameShape[], sizes: readonly number[]): Promise<Peer> {
  const chunks = cut(Buffer.concat(frames.map(encode)), sizes);
  const [ahead, alone] = [await play(chunks, true), await play(chunks, false)];
  expect(ahead.log).toEqual(alone.log);
  return ahead;
}

describe("a reader ahead of ws", () => {
  test("brings what ws alone brings, of whatever is sent and however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), cuts, async (frames, sizes) => {
        await doBoth(frames, sizes);
      }),
      { numRuns: 3_000 },
    );
  });

  test("brings what ws alone brings of peers that break nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(ordinary, { maxLength: 12 }), cuts, async (frames, sizes) => {
        await doBoth(frames.flat(), sizes);
      }),
      { numRuns: 1_000 },
    );
  });

  test("reads whole messages itself, again after a ping, a message in parts and a frame that was cut", async () => {
    const say = (first: number, text: string): FrameShape => ({
      first,
      isMasked: true,
      mask: [1, 2, 3, 4],
      payload: Buffer.from(text),
      hasLongLength: false,
    });
    const [one, ping, begin, end] = [say(0x81, "one"), say(0x89, ""), say(0x01, "be"), say(0x80, "gin")];
    const frames = [one, ping, one, begin, ping, end, one, one];
    const whole = await doBoth(frames, []);
    expect(whole.taken).toBe(4);
    const parted = await doBoth([one, one, one], [12]);
    expect(parted.taken).toBe(2);
    const parts = await doBoth([one, one, one], [10, 1, 1]);
    expect(parts.taken).toBe(2);
  });
});
