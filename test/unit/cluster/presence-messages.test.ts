/** What nodes tell each other of presence: messages are read as they were written, split where they are large, and anything else is no message. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Answer, type Delta, readMessage } from "../../../src/cluster/presence/messages.js";
import type { PresenceEntry } from "../../../src/cluster/presence/shared-presence.js";
import { splitDelta, writeAnswers, writeAsks, writeBeats, writeDelta } from "../../../src/cluster/presence/writing.js";
import { entry } from "./presence-stage.js";

const sizes = { preferred: 65_536, most: 1_048_576 };
const time = fc.double({ min: 0, max: 1e13, noNaN: true }).map(Math.abs);
const entries: fc.Arbitrary<PresenceEntry> = fc
  .record({
    key: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
    info: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value))),
    infoAt: time,
    isShown: fc.boolean(),
    since: time,
    connections: fc.nat(),
    away: fc.boolean(),
  })
  .map((one) => ({ ...one, away: one.away && one.connections > 0 }));
const lists = fc.uniqueArray(entries, { selector: ({ key }) => key, maxLength: 30 });

function read<T>(bytes: Uint8Array): T {
  const message = readMessage(bytes);
  if (message === undefined) throw new Error(Buffer.from(bytes).toString());
  return message as T;
}

describe("messages of presence", () => {
  test("deltas are read as they were written, in parts as small as asked for", () => {
    fc.assert(
      fc.property(lists, fc.nat({ max: 2_000 }), (list, size) => {
        const changes = new Map(list.map((one, index) => [one.key, index % 3 === 0 ? undefined : one]));
        const parts = splitDelta(changes, { preferred: 1_024 + size, most: 1_048_576 });
        const deltas = parts.map((part) => read<Delta>(writeDelta(1, 2, part)));
        expect(deltas.flatMap(({ set }) => set)).toEqual(list.filter((_, index) => index % 3 !== 0));
        expect(deltas.flatMap(({ gone }) => gone)).toEqual(
          list.filter((_, index) => index % 3 === 0).map(({ key }) => key),
        );
        const firstGone = deltas.findIndex(({ gone }) => gone.length > 0);
        expect(deltas.slice(firstGone + 1).every(({ set }) => firstGone < 0 || set.length === 0)).toBe(true);
      }),
    );
  });

  test("answers are read as they were written; a room that needs several packets has an answer of its own", () => {
    fc.assert(
      fc.property(fc.array(lists, { maxLength: 5 }), fc.nat({ max: 3_000 }), (rooms, size) => {
        let id = 0;
        const answered = rooms.map((list, index) => [`room ${index}`, index, list] as const);
        const written = writeAnswers(() => ++id, 7, answered, { preferred: 1_024 + size, most: 1_048_576 });
        const answers = written.map((part) => read<Answer>(part));
        for (const [room, number, list] of answered) {
          const states = answers.flatMap((answer) => answer.rooms).filter((state) => state.room === room);
          expect(states.flatMap((state) => state.entries)).toEqual(list);
          expect(new Set(states.map((state) => state.number))).toEqual(new Set([number]));
          expect(
            new Set(answers.filter((part) => part.rooms.some((one) => one.room === room)).map((part) => part.id)).size,
          ).toBe(1);
        }
        for (const { parts, rooms: states } of answers) if (parts > 1) expect(states).toHaveLength(1);
      }),
    );
  });

  test("beats and asks of many rooms are split, each below the size of a packet", () => {
    const rooms = Array.from({ length: 20_000 }, (_, index) => [`room ${index}`, index] as const);
    for (const written of [writeBeats(3, 9, rooms, sizes), writeAsks(rooms, sizes)]) {
      expect(written.length).toBeGreaterThan(3);
      for (const bytes of written) expect(bytes.length).toBeLessThan(65_536 - 512);
      expect(written.flatMap((bytes) => read<{ rooms: unknown[] }>(bytes).rooms)).toEqual(rooms);
    }
    const beats = writeBeats(3, 9, rooms, sizes).map((bytes) => read<{ beat: number }>(bytes).beat);
    expect(beats).toEqual(beats.map((_, index) => 3 + index));
    expect(writeBeats(1, 0, [], sizes)).toHaveLength(1);
  });

  test("an info that no packet of the engine can carry is null on the other nodes", () => {
    const changes = new Map([["ann", entry("ann", { info: "x".repeat(10_000), infoAt: 3 })]]);
    const [part] = splitDelta(changes, { preferred: 65_536, most: 8_192 });
    if (part === undefined) throw new Error("there is a part");
    expect(read<Delta>(writeDelta(0, 1, part)).set).toEqual([entry("ann", { infoAt: 3 })]);
  });

  test.each([
    "",
    "null",
    "[]",
    "{}",
    '{"type":"hello"}',
    '{"type":"delta","from":1,"to":1,"set":[],"gone":[]}',
    '{"type":"delta","from":2,"to":1,"set":[],"gone":[]}',
    '{"type":"delta","from":-1,"to":1,"set":[],"gone":[]}',
    '{"type":"delta","from":0.5,"to":1,"set":[],"gone":[]}',
    '{"type":"delta","from":0,"to":9007199254740992,"set":[],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":{},"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,false,0,1]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,false,0,1,false,1]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,0,0,1,false]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["",null,0,false,0,1,false]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,"0",false,0,1,false]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,false,-1,1,false]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,false,0,-1,false]],"gone":[]}',
    '{"type":"delta","from":0,"to":1,"set":[["a",null,0,false,0,1,1]],"gone":[]}',
    `{"type":"delta","from":0,"to":1,"set":[["${"a".repeat(1_025)}",null,0,false,0,1,false]],"gone":[]}`,
    '{"type":"delta","from":0,"to":1,"set":[],"gone":[1]}',
    '{"type":"askAll"}',
    '{"type":"askAll","known":[]}',
    '{"type":"askAll","known":{"a":-1}}',
    '{"type":"ask","rooms":[["a"]]}',
    '{"type":"ask","rooms":[["a",-2]]}',
    '{"type":"ask","rooms":[[1,1]]}',
    '{"type":"beat","beat":1,"at":1,"rooms":[["a",-1]]}',
    '{"type":"beat","beat":"1","at":1,"rooms":[]}',
    '{"type":"answer","id":1,"part":0,"parts":1,"at":1,"rooms":[]}',
    '{"type":"answer","id":1,"part":2,"parts":1,"at":1,"rooms":[]}',
    '{"type":"answer","id":1,"part":1,"parts":1000000,"at":1,"rooms":[]}',
    '{"type":"answer","id":1,"part":1,"parts":1,"at":1,"rooms":[["a",1,[],1]]}',
    '{"type":"answer","id":1,"part":1,"parts":1,"at":1,"rooms":[["a",1,[1]]]}',
  ])("%j is no message", (text) => {
    expect(readMessage(Buffer.from(text))).toBeUndefined();
  });

  test("the reader of messages answers whatever comes", () => {
    const anything = fc.oneof(fc.jsonValue(), fc.constantFrom("delta", "askAll", "beat", "ask", "answer", 0, -1, 1));
    const fields = ["type", "from", "to", "set", "gone", "known", "beat", "at", "rooms", "id", "part", "parts"];
    const messages = fc.dictionary(fc.constantFrom(...fields), anything);
    fc.assert(fc.property(messages, (message) => void readMessage(Buffer.from(JSON.stringify(message)))));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readMessage(bytes)));
  });
});
