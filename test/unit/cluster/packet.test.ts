/** The packet format: a written packet is read back completely, a damaged packet is rejected, and no input makes the reader throw. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Envelope,
  measure,
  packetBytes,
  plainPacketsOf,
  readPacket,
  VERSION,
  writePacket,
} from "../../../src/cluster/packet.js";

const header = { node: "00a1b2c3d4ff", stream: 7, first: 2 ** 40 };
const ids = fc.stringMatching(/^[!-~]{0,200}$/);
const envelopes: fc.Arbitrary<Envelope> = fc
  .record({
    isBinary: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 300 }),
    source: fc.option(ids, { nil: undefined }),
    address: fc.option(fc.record({ target: ids, scope: ids }), { nil: undefined }),
    rooms: fc.option(fc.array(fc.string({ unit: "binary" })), { nil: undefined }),
    extension: fc.option(
      fc.record({
        kind: fc.nat({ max: 255 }),
        bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      }),
      { nil: undefined },
    ),
  })
  .map(({ address, ...rest }) => ({ ...rest, ...address }));

function plain({ isBinary, payload, source, target, scope, rooms, extension }: Envelope): object {
  return { isBinary, payload: Buffer.from(payload).toString("hex"), source, target, scope, rooms, extension };
}

test("a packet is read as it was written", () => {
  fc.assert(
    fc.property(fc.array(envelopes, { minLength: 1, maxLength: 5 }), (some) => {
      const packet = readPacket(writePacket(header, some.map(measure)));
      if ("problem" in packet) throw new Error(packet.problem);
      const { envelopes: read, ...readHeader } = packet;
      expect(readHeader).toEqual(header);
      expect(read.map(plain)).toEqual(some.map(plain));
    }),
  );
});

test("the length of a packet is known before it is written", () => {
  fc.assert(
    fc.property(envelopes, (one) => {
      expect(writePacket(header, [measure(one)])).toHaveLength(packetBytes(measure(one)));
    }),
  );
});

test("a packet that is cut off, or longer than it says, is garbage", () => {
  const packet = writePacket(header, [
    measure({ isBinary: false, payload: Buffer.from("hello"), target: "t", scope: "s" }),
  ]);
  for (let length = 0; length < packet.length; length++)
    expect(readPacket(packet.subarray(0, length))).toMatchObject({ problem: "garbage" });
  expect(readPacket(Buffer.concat([packet, Buffer.from([0])]))).toMatchObject({ problem: "garbage" });
});

test("an extension is written after the rooms: its length, its kind, its bytes", () => {
  const packet = writePacket(header, [
    measure({
      isBinary: false,
      payload: Buffer.from("pay"),
      rooms: ["a"],
      extension: { kind: 9, bytes: Buffer.from("ext") },
    }),
  ]);
  const written = Buffer.concat([
    Buffer.from([8 | 16, 0, 0, 0, 3]),
    Buffer.from([0, 0, 0, 5]),
    Buffer.from('["a"]'),
    Buffer.from([0, 0, 0, 3, 9]),
    Buffer.from("extpay"),
  ]);
  expect(packet.subarray(19)).toEqual(written);
});

test("a packet without an extension is the same, byte for byte, as before extensions", () => {
  const packet = writePacket(header, [
    measure({ isBinary: true, payload: Buffer.from("p"), source: "s", target: "t", scope: "r", rooms: ["a"] }),
  ]);
  expect(packet.subarray(19).toString("latin1")).toBe('\x0f\0\0\0\x01\x01s\x01t\0\x01r\0\0\0\x05["a"]p');
});

test("an extension that is longer than its packet is garbage", () => {
  const extension = { kind: 1, bytes: Buffer.from("ext") };
  const packet = writePacket(header, [measure({ isBinary: false, payload: Buffer.alloc(0), extension })]);
  for (const length of [4, 1_000, 0xff_ff_ff_ff]) {
    packet.writeUInt32BE(length, 24);
    expect(readPacket(packet), String(length)).toMatchObject({ problem: "garbage" });
  }
});

test("flags that are not known are garbage", () => {
  for (const flag of [32, 64, 128]) {
    const packet = writePacket(header, [measure({ isBinary: false, payload: Buffer.from("hello") })]);
    packet[19] = flag;
    expect(readPacket(packet), String(flag)).toMatchObject({ problem: "garbage" });
  }
});

test("a packet of another version is told apart from garbage, with the node that has sent it", () => {
  const packet = writePacket(header, [measure({ isBinary: false, payload: Buffer.from("hello") })]);
  packet[2] = VERSION + 1;
  expect(readPacket(packet)).toEqual({ problem: "version", version: VERSION + 1, node: header.node });
});

test("rooms that are no list of names are garbage", () => {
  for (const rooms of ['{"a":1}', "[1]", "x", ""]) {
    const good = measure({ isBinary: false, payload: Buffer.from("hello"), rooms: ["a"] });
    const bytes = good.bytes - (good.rooms?.length ?? 0) + rooms.length;
    const packet = writePacket(header, [{ ...good, rooms: Buffer.from(rooms), bytes }]);
    expect(readPacket(packet)).toMatchObject({ problem: "garbage" });
  }
});

test("the reader of packets answers whatever bytes come", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, hasHeader) => {
      const start = writePacket(header, []);
      readPacket(hasHeader ? Buffer.concat([start, bytes]) : bytes);
    }),
  );
});

test("a node's packets without extensions are told apart by their first bytes", () => {
  const isOwn = plainPacketsOf(header.node);
  const payload = Buffer.from("hello");
  const plainOne = measure({ isBinary: false, payload });
  const own = writePacket(header, [plainOne, plainOne]);
  expect(isOwn(own)).toBe(true);
  for (const node of ["00a1b2c3d4fe", "10a1b2c3d4ff"])
    expect(isOwn(writePacket({ ...header, node }, [plainOne])), node).toBe(false);
  const extended = measure({ isBinary: false, payload, extension: { kind: 1, bytes: Buffer.from("ext") } });
  expect(isOwn(writePacket(header, [extended]))).toBe(false);
  for (let length = 0; length <= 19; length++) expect(isOwn(own.subarray(0, length)), String(length)).toBe(false);
  own[2] = VERSION + 1;
  expect(isOwn(own)).toBe(false);
});
