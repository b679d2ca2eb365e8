/** Lists of frames on their way to many sockets: few writes, few copies, and the order of the list. */
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame, plainWire } from "../../../src/transport/frame.js";
import { FrameConcatenator } from "../../../src/transport/frame-concatenator.js";

/** A socket that keeps the bytes of each write. */
class Writes extends PassThrough {
  readonly chunks: Buffer[] = [];

  override write(chunk: unknown, encoding?: unknown): boolean {
    if (Buffer.isBuffer(chunk)) this.chunks.push(chunk);
    else this.chunks.push(Buffer.from(chunk as string, encoding as BufferEncoding));
    return true;
  }
}

const writesOf = (concatenator: FrameConcatenator, frames: readonly Frame[]): Buffer[] => {
  const socket = new Writes();
  concatenator.writeAll(socket, frames);
  expect(socket.writableCorked).toBe(0);
  return socket.chunks;
};
const wires = (frames: readonly Frame[]): Buffer[] => frames.map(({ wire }) => wire);

describe("a list of frames", () => {
  const frames = ["a", "b", "c"].map(encodeFrame);

  test("is written at once, and the same bytes are used for the next socket with the same frames", () => {
    const concatenator = new FrameConcatenator(plainWire);
    const [first, ...rest] = writesOf(concatenator, frames);
    expect(first).toEqual(Buffer.concat(wires(frames)));
    expect(rest).toEqual([]);
    const [second] = writesOf(concatenator, [...frames]);
    expect(second).toEqual(first);
    expect(writesOf(concatenator, [...frames])[0]).toBe(second);
  });

  test.each([
    ["short texts of ASCII", ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(300)]],
    ["texts beyond ASCII", ["a", "é", "日本", "\u{1F600}", "b".repeat(200)]],
    ["short and long texts", ["a", "b".repeat(511), "c".repeat(512), "d".repeat(70_000)]],
    ["texts and bytes", ["a", Buffer.from([0, 0x81, 0xff]), "b"]],
    ["more short texts than a string is made of", Array.from({ length: 100 }, () => "a".repeat(300))],
  ])("of %s has the bytes of the frames, in order", (_what, messages) => {
    const concatenator = new FrameConcatenator(plainWire);
    const mixed = messages.map(encodeFrame);
    for (let socket = 0; socket < 3; socket++)
      expect(Buffer.concat(writesOf(concatenator, mixed))).toEqual(Buffer.concat(wires(mixed)));
  });

  test.each([
    ["in another order", [2, 1, 0]],
    ["without the last", [0, 1]],
    ["with a frame twice", [0, 1, 2, 2]],
  ])("is put together anew for a list %s", (_what, order) => {
    const concatenator = new FrameConcatenator(plainWire);
    writesOf(concatenator, frames);
    const others = order.flatMap((i) => frames[i] ?? []);
    expect(Buffer.concat(writesOf(concatenator, others))).toEqual(Buffer.concat(wires(others)));
  });

  test("of 256 KiB and more is written frame by frame without a copy, and the last shorter list stays known", () => {
    const concatenator = new FrameConcatenator(plainWire);
    writesOf(concatenator, frames);
    const [short] = writesOf(concatenator, frames);
    const large = [encodeFrame(Buffer.alloc(200_000)), encodeFrame(Buffer.alloc(62_144))];
    const chunks = writesOf(concatenator, large);
    expect(chunks).toHaveLength(2);
    for (const [i, wire] of wires(large).entries()) expect(chunks[i]).toBe(wire);
    expect(writesOf(concatenator, frames)[0]).toBe(short);
  });

  test("has the bytes that the sockets of the concatenator take", () => {
    const concatenator = new FrameConcatenator({
      of: ({ payloadBytes }) => Buffer.alloc(1, payloadBytes),
      bytes: () => 1,
      characters: () => undefined,
      copy: ({ payloadBytes }, target, at) => target.fill(payloadBytes, at, at + 1),
    });
    expect(writesOf(concatenator, ["", "1", "22"].map(encodeFrame))).toEqual([Buffer.from([0, 1, 2])]);
  });
});
