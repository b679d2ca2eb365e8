/** Nodes that say anything at all of presence: the members stay, the lists stay readable, and nothing of a node that falls silent is left. */
import fc from "fast-check";
import type { Json } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { expect, test } from "vitest";
import { measure, writePacket } from "../../../src/cluster/packet.js";
import { PRESENCE } from "../../../src/cluster/presence/messages.js";
import { scopeOf, subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";
import { Lines } from "../stage.js";
import { Wire } from "./presence-stage.js";

/** Of a server without routes. */
const SCOPE = scopeOf("*");
const DEEP = JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`) as Json;

/** Mostly what can be read: a message with a single fault is garbage as a whole. */
const mostly = <T, U>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<U>): fc.Arbitrary<T | U> =>
  fc.oneof({ weight: 15, arbitrary: good }, { weight: 1, arbitrary: bad });

const number = mostly(fc.nat(9), fc.constantFrom(2 ** 53 - 1, -1, 1.5, "1", null));
const key = mostly(
  fc.constantFrom("ann", "eve", "__proto__", "constructor", "\ud800", "x".repeat(1_024)),
  fc.constantFrom("", "x".repeat(1_025), 5, null),
);
const info = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(DEEP, JSON.parse('{"__proto__":{},"toJSON":1}'), "y".repeat(20_000)),
);
const entry = mostly(fc.tuple(key, info, number, fc.boolean(), number, number, fc.boolean()), info);
const room = fc.constantFrom("hall", "cellar", "__proto__", "");
const numbers = fc.array(fc.tuple(room, number), { maxLength: 4 });
const entries = fc.array(entry, { maxLength: 4 });
const states = fc.array(fc.oneof(fc.tuple(room, number), fc.tuple(room, number, entries)), { maxLength: 3 });

/** What is said in the room, to the whole bus, and to the node. */
const said = fc.oneof(
  fc.tuple(
    fc.constant("room"),
    fc.oneof(
      fc.record({
        type: fc.constant("delta"),
        from: fc.oneof(fc.constant(0), number),
        to: number,
        set: entries,
        gone: fc.array(key, { maxLength: 3 }),
      }),
      fc.record({ type: fc.constant("askAll"), known: fc.dictionary(fc.constantFrom("__proto__", "a"), number) }),
    ),
  ),
  fc.tuple(
    fc.constant("bus"),
    fc.oneof(
      fc.record({ type: fc.constant("beat"), beat: number, at: number, rooms: numbers }),
      fc.constant({ type: "goodbye" }),
    ),
  ),
  fc.tuple(
    fc.constant("node"),
    fc.oneof(
      fc.record({ type: fc.constant("ask"), rooms: numbers }),
      fc.record({ type: fc.constant("answer"), id: number, part: number, parts: number, at: number, rooms: states }),
      fc.jsonValue(),
    ),
  ),
);
const step = fc.record({
  said,
  node: fc.constantFrom("00000000000a", "00000000000b"),
  ms: fc.constantFrom(0, 0, 0, 500, 11_000),
});

test("whatever other nodes say of presence, members and lists stay, and nothing is left of who falls silent", async () => {
  let heard = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const wire = new Wire();
      const log = new Lines();
      const runtime = createTestRuntime({
        cluster: wire,
        logger: log,
        presence: { key: ({ query }) => query.get("name") ?? "?", notice: (notice) => JSON.stringify(notice) },
        handler(event) {
          if (event.type === "open") event.connection.join("hall");
        },
      });
      const ann = await runtime.connect({ path: "/?name=ann" });
      const { server } = runtime;
      const node = server.stats().cluster?.node ?? "";
      const subjects = new Map([
        ["room", subjectOf(SCOPE, "hall")],
        ["bus", subjectOf(SCOPE, undefined)],
        ["node", subjectOfNode(node)],
      ]);
      for (const [stream, { said: words, node: stranger, ms }] of steps.entries()) {
        const [where, message] = words;
        const envelope = measure({
          isBinary: true,
          payload: Buffer.alloc(0),
          extension: { kind: PRESENCE, bytes: Buffer.from(JSON.stringify(message)) },
          ...(where === "node" && { target: `${node}.presence`, scope: SCOPE }),
        });
        wire.inject(
          node,
          subjects.get(where) ?? "",
          writePacket({ node: stranger, stream: stream + 1, first: 0 }, [envelope]),
        );
        await runtime.advance(ms);
        const list = server.present("hall");
        if (list.length > 1) heard++;
        for (const { key: name, connections, since } of list)
          expect([name.length > 0 && name.length <= 1_024, connections >= 0, typeof connections, typeof since]).toEqual(
            [true, true, "number", "number"],
          );
        expect(server.presentCount("hall").keys).toBe(list.length);
      }
      await runtime.advance(40_000);
      expect(server.present("hall")).toEqual([{ key: "ann", info: null, connections: 1, away: false, since: 0 }]);
      expect(ann.closed).toBeUndefined();
      expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
      await runtime.close();
    }),
    { numRuns: 100 },
  );
  // Some of it was believed.
  expect(heard).toBeGreaterThan(0);
});
