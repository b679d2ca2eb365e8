/** Lists of frames on their way to many sockets: few writes, few copies, and the order of the list. */
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame, plainWire } from "../../../src/transport/frame.js";
import { FrameConcatenator } from "../../../src/transport/frame-concatenator.js";

/** A socket that keeps the writes. */
class Writes extends PassThrough {
  readonly chunks: Buffer[] = [];

  override write(chunk: unknown): boolean {
    if (Buffer.isBuffer(chunk)) this.chunks.push(chunk);
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
    expect(writesOf(concatenator, [...frames])[0]).toBe(first);
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
      copy: ({ payloadBytes }, target, at) => target.fill(payloadBytes, at, at + 1),
    });
    expect(writesOf(concatenator, ["", "1", "22"].map(encodeFrame))).toEqual([Buffer.from([0, 1, 2])]);
  });
});
