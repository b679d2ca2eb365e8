/**
 * Every store against a simple model: random appends, readings, trims and passing time, also beyond the limit of rooms and over restarts. "complete"
 * means exactly the missing messages, once, in order; what is there is told.
 */
import fc from "fast-check";
import type { HistoryLimits, HistoryStore } from "sendall";
import { sqlite } from "sendall/sqlite";
import { describe, test } from "vitest";
import { MemoryHistory } from "../../../src/history/memory.js";
import { HistoryLedger } from "../../../src/testing/history/ledger.js";
import { type HistoryStep, takeStep } from "../../../src/testing/history/random-steps.js";
import { StoreNode } from "../../../src/testing/history/store-node.js";
import { createHandClock } from "../../../src/testing/history/suite-host.js";
import { requires } from "../../e2e/requires.js";
import { newFile } from "./files.js";

const ROOMS = 4;

const room = fc.nat({ max: ROOMS - 1 });

const step: fc.Arbitrary<HistoryStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("keep" as const),
      room,
      sizes: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("after" as const), room, of: room, choice: fc.nat({ max: 20 }) }),
  },
  {
    weight: 4,
    arbitrary: room.chain((of) =>
      fc.record({
        type: fc.constant("after" as const),
        room: fc.constant(of),
        of: fc.constant(of),
        choice: fc.nat({ max: 12 }),
      }),
    ),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("last" as const), room, last: fc.nat({ max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.nat({ max: 600 }) }) },
  { weight: 1, arbitrary: fc.constant({ type: "trim" as const }) },
);

const limits: fc.Arbitrary<HistoryLimits> = fc.record({
  maxMessages: fc.integer({ min: 1, max: 8 }),
  maxBytes: fc.integer({ min: 1, max: 40 }),
  maxAgeMs: fc.constant(1_000),
  // Every second store has to let go rooms.
  maxRooms: fc.constantFrom(1, 2, 100, 100),
});

/** Lives of a store, each with steps; the store is closed and opened between lives. */
function playLives(create: () => HistoryStore, survives: boolean, runs: number, lives: number): Promise<void> {
  const property = fc.asyncProperty(
    limits,
    fc.array(fc.array(step, { maxLength: 40 }), { minLength: 1, maxLength: lives }),
    async (drawn, played) => {
      const clock = createHandClock(1_700_000_000_000);
      const store = create();
      let ledger = new HistoryLedger(drawn);
      for (const steps of played) {
        const node = await new StoreNode(store, clock, drawn).open();
        for (const one of steps) await takeStep(node, ledger, one);
        await node.close();
        if (!survives) ledger = new HistoryLedger(drawn);
      }
    },
  );
  return fc.assert(property, { numRuns: runs });
}

describe("whatever happens, an answer is what the model of a room says", () => {
  test("of the store in memory (5,000 runs)", async () => {
    await playLives(() => new MemoryHistory(), false, 5_000, 2);
  });

  test.skipIf(requires("sqlite").skip)("of the store in a file, over restarts (300 runs)", async () => {
    await playLives(() => sqlite({ file: newFile() }), true, 300, 3);
  });
});
