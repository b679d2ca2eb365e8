/** Our frames, read by a decoder of the test's own (RFC 6455, section 5.2). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Data } from "../../../src/api/connection.js";
import { controlPayload, encodeFrame } from "../../../src/transport/frame.js";

interface Decoded {
  readonly fin: boolean;
  readonly reserved: number;
  readonly opcode: number;
  readonly isMasked: boolean;
  /** In how many bytes the length stands. */
  readonly lengthBytes: number;
  readonly payload: Buffer;
  readonly rest: number;
}

function decode(wire: Buffer): Decoded {
  const [first, second] = [wire.readUInt8(0), wire.readUInt8(1)];
  const short = second & 0x7f;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 1;
  const start = lengthBytes === 1 ? 2 : 2 + lengthBytes;
  const length = lengthBytes === 8 ? Number(wire.readBigUInt64BE(2)) : lengthBytes === 2 ? wire.readUInt16BE(2) : short;
  return {
    fin: (first & 0x80) !== 0,
    reserved: (first >> 4) & 7,
    opcode: first & 0x0f,
    isMasked: (second & 0x80) !== 0,
    lengthBytes,
    payload: wire.subarray(start, start + length),
    rest: wire.length - start - length,
  };
}

/** RFC 6455: the length stands in the fewest bytes that hold it. */
function fewest(length: number): number {
  if (length <= 125) return 1;
  return length <= 65_535 ? 2 : 8;
}

function check(data: Data, opcode: number, payload: Uint8Array): void {
  const frame = encodeFrame(data);
  const decoded = decode(frame.wire);
  const lengthBytes = fewest(payload.length);
  expect({ ...decoded, payload: undefined }).toEqual({
    fin: true,
    reserved: 0,
    opcode,
    isMasked: false,
    lengthBytes,
    payload: undefined,
    rest: 0,
  });
  expect(Buffer.compare(decoded.payload, payload)).toBe(0);
  expect(frame.payloadBytes).toBe(payload.length);
}

const EDGES = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1_000_000];

describe("a frame", () => {
  test("of any text is a text frame with its UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2_000, size: "max" }), (text) => {
        check(text, 1, Buffer.from(text));
        expect(encodeFrame(text).data).toBe(text);
      }),
    );
  });

  test("of any bytes is a binary frame with just these", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000, size: "max" }), (bytes) => {
        check(bytes, 2, bytes);
        expect(encodeFrame(bytes).data).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test.each(EDGES)("of %d bytes has the shortest header", (length) => {
    check("x".repeat(length), 1, Buffer.alloc(length, "x"));
    check(Buffer.alloc(length, 7), 2, Buffer.alloc(length, 7));
  });

  test("of text whose bytes are more than its characters counts bytes", () => {
    check("ä".repeat(63), 1, Buffer.from("ä".repeat(63)));
    check("€".repeat(21_845), 1, Buffer.from("€".repeat(21_845)));
  });

  test("says of a lone surrogate what UTF-8 can say", () => {
    check("a\ud800b", 1, Buffer.from("a\ufffdb"));
    check("\udc00", 1, Buffer.from("\ufffd"));
  });

  test("takes an ArrayBuffer and every view of bytes, just the part that is seen", () => {
    const { buffer } = Uint8Array.from([1, 2, 3, 4, 5]);
    check(buffer, 2, Uint8Array.from([1, 2, 3, 4, 5]));
    check(new Uint8Array(buffer, 1, 3), 2, Uint8Array.from([2, 3, 4]));
    check(Buffer.from(buffer, 3), 2, Uint8Array.from([4, 5]));
    check(new ArrayBuffer(0), 2, new Uint8Array());
  });

  test("holds a copy: bytes may be changed afterwards", () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    const frame = encodeFrame(bytes);
    bytes.fill(9);
    expect([decode(frame.wire).payload, frame.data]).toEqual([Buffer.from([1, 2, 3]), Buffer.from([1, 2, 3])]);
  });

  test.each([
    [undefined, "undefined"],
    [null, "null"],
    [5, "5"],
    [{ a: 1 }, '{"a":1}'],
    [[1], "[1]"],
    [new Date(0), "an object of class Date"],
    [new DataView(new ArrayBuffer(1)), "an object of class DataView"],
    [new Uint16Array(1), "an object of class Uint16Array"],
    [() => "", "a function"],
  ])("is made of nothing else: %s", (data, got) => {
    const message = `message: expected a string, a Uint8Array or an ArrayBuffer, got ${got}`;
    expect(() => encodeFrame(data as unknown as Data)).toThrow(expect.objectContaining({ code: "BAD_DATA", message }));
  });
});

describe("the payload of a ping", () => {
  test("is of at most 125 bytes", () => {
    expect(controlPayload("ä".repeat(62))).toEqual(Buffer.from("ä".repeat(62)));
    expect(controlPayload(new ArrayBuffer(125))).toEqual(Buffer.alloc(125));
    expect(controlPayload(new Uint8Array(0))).toEqual(Buffer.alloc(0));
    for (const data of ["ä".repeat(63), new Uint8Array(126)])
      expect(() => controlPayload(data)).toThrow(
        expect.objectContaining({ code: "BAD_DATA", message: "ping: expected at most 125 bytes, got 126" }),
      );
  });

  test("is a copy", () => {
    const bytes = Uint8Array.from([1, 2]);
    const payload = controlPayload(bytes);
    bytes.fill(9);
    expect(payload).toEqual(Buffer.from([1, 2]));
  });

  test("is a string or bytes", () => {
    expect(() => controlPayload(5 as unknown as Data)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  });
});
