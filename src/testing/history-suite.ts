/**
 * The tests of the contract of stores of history, for authors of stores; Sendall's own stores pass the tests too. No test waits for a time: the
 * clock is moved by hand. Each test closes the stores that it has opened.
 */
import { randomBytes } from "node:crypto";
import type { HistoryStore } from "../api/history-store.js";
import { createClock } from "../runtime/clock.js";
import { declareAnchors } from "./history/anchors.js";
import type { Declare } from "./history/contracts.js";
import { declareLimits } from "./history/limits.js";
import { declareMessages } from "./history/messages.js";
import { declareRandom } from "./history/random-steps.js";
import { declareRestarts } from "./history/restarts.js";
import { StoreNode } from "./history/store-node.js";
import { declareSubscriptions } from "./history/subscriptions.js";
import { createHandClock } from "./history/suite-host.js";

/** The test runner and the store for {@link testHistoryStore}. */
export interface HistoryStoreTest {
  /** Declares one test: `test` of vitest, of `node:test` or of any other runner. */
  readonly test: (title: string, run: () => Promise<void>) => unknown;
  /**
   * Makes a store, which the test opens with limits of its own and a clock that the test moves. Stores made with the same name have the same messages,
   * if `survives` says that messages outlive a store; stores of different names never do. The name can be a prefix, or the name of a file: at most 40
   * of the characters `a`-`z`, `0`-`9` and `-`. A store without `subscribe` is opened once at a time for a name.
   */
  readonly create: (name: string) => HistoryStore | Promise<HistoryStore>;
  /** Whether the messages are there when another store of the same name is opened after `close`. Default `false`. */
  readonly survives?: boolean;
  /**
   * The limits that the store does not keep, since its engine is bounded by the others; and `"trim"` if the engine removes messages by its own
   * rules, later than readings leave the messages out. Default none.
   */
  readonly without?: readonly ("maxBytes" | "maxRooms" | "trim")[];
}

/** The bytes of a room in the random test. */
const RANDOM_BYTES = 40;

/**
 * Declares the tests of a store of history with the given test runner.
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { sqlite } from "sendall/sqlite";
 * import { testHistoryStore } from "sendall/testing/history-store";
 * import { test } from "vitest";
 *
 * // In place of sqlite: a store of your own.
 * const folder = mkdtempSync(`${tmpdir()}/stores-`);
 * testHistoryStore({ test, create: (name) => sqlite({ file: `${folder}/${name}.db` }), survives: true });
 * ```
 */
export function testHistoryStore({ test, create, survives = false, without = [] }: HistoryStoreTest): void {
  const declare: Declare = (title, run) => {
    test(title, async () => {
      const prefix = `test-${randomBytes(6).toString("hex")}`;
      const clock = createHandClock(createClock().now());
      const nodes: StoreNode[] = [];
      try {
        await run(async (limits = {}, name = "own") => {
          const node = new StoreNode(await create(`${prefix}-${name}`), clock, limits);
          nodes.push(node);
          return await node.open();
        });
      } finally {
        for (const node of nodes) await node.close();
      }
    });
  };
  declareMessages(declare);
  declareAnchors(declare);
  declareLimits(declare, without);
  declareRestarts(declare, survives, !without.includes("trim"));
  declareSubscriptions(declare);
  declareRandom(declare, without.includes("maxBytes") ? undefined : RANDOM_BYTES);
}
