/** A store of history that answers late, as a store behind a network does: for tests of what a program does meanwhile. Ends with its server. */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep } from "../api/history-store.js";
import { MemoryHistory } from "../history/memory.js";
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../options/read-options.js";
import { isHistoryStore } from "../options/server-kinds.js";
import type { SettingsOf } from "../options/table.js";
import type { Timer } from "../runtime/clock.js";
import { SeededRandom } from "./runtime/random.js";

/** What {@link delayedHistory} takes. */
export interface DelayedHistoryOptions {
  /** The store whose answers come late. Default: a store in memory. */
  readonly store?: HistoryStore;
  /** A whole number, from which each delay is drawn: the same seed gives the same delays. In `explore`, take `seed` of the stage. Default 1. */
  readonly seed?: number;
  /** The shortest delay, in milliseconds of the server's clock. Default 1 ms. */
  readonly minDelayMs?: number;
  /** The longest delay, in milliseconds of the server's clock. Default 100 ms, or `minDelayMs` if that is longer. */
  readonly maxDelayMs?: number;
}

const delayTable = {
  store: {
    expected: "a store with the functions append, read, trim and close",
    accepts: (value: unknown): value is HistoryStore => isHistoryStore(value),
  },
  seed: { kind: "whole", default: 1 },
  minDelayMs: { kind: "ms", min: 0, default: 1 },
  maxDelayMs: { kind: "ms", min: 0 },
} as const;

const MAX_DELAY_MS = 100;

/** An answer on its way. */
interface Late {
  readonly timer: Timer;
  readonly arrive: () => void;
}

class DelayedHistory implements HistoryStore {
  readonly name: string;
  readonly subscribe?: NonNullable<HistoryStore["subscribe"]>;
  readonly #store: HistoryStore;
  readonly #random: SeededRandom;
  readonly #minDelayMs: number;
  readonly #maxDelayMs: number;
  #host: HistoryHost | undefined;
  readonly #late = new Set<Late>();

  constructor({ store, seed, minDelayMs, maxDelayMs }: SettingsOf<DelayedHistoryOptions, typeof delayTable>) {
    this.#store = store ?? new MemoryHistory();
    this.name = this.#store.name ?? "store";
    this.#random = new SeededRandom(seed);
    this.#minDelayMs = minDelayMs;
    this.#maxDelayMs = maxDelayMs ?? Math.max(minDelayMs, MAX_DELAY_MS);
    const subscribe = this.#store.subscribe?.bind(this.#store);
    if (subscribe !== undefined) this.subscribe = subscribe;
  }

  open(host: HistoryHost): void | Promise<void> {
    this.#host = host;
    return this.#store.open?.(host);
  }

  append(entry: MessageToKeep): string | undefined {
    return this.#store.append(entry);
  }

  /** What the room was at the call, later. */
  async read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    const delayMs = this.#minDelayMs + this.#random.below(this.#maxDelayMs - this.#minDelayMs + 1);
    const reading = (async () => this.#store.read(room, query))();
    // A failure comes late as well.
    await Promise.all([Promise.allSettled([reading]), this.#pass(delayMs)]);
    return await reading;
  }

  trim(): void | Promise<void> {
    return this.#store.trim();
  }

  close(): void | Promise<void> {
    for (const { timer, arrive } of this.#late) {
      timer.cancel();
      arrive();
    }
    this.#host = undefined;
    return this.#store.close();
  }

  #pass(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#host === undefined) return resolve();
      const late: Late = {
        timer: this.#host.clock.after(delayMs, () => late.arrive()),
        arrive: () => {
          this.#late.delete(late);
          resolve();
        },
      };
      this.#late.add(late);
    });
  }
}

/**
 * Makes a store, for `history.store` of a server under test, whose readings come late: `connection.follow` and `bus.history` wait for the test's
 * `advance`, also with a delay of 0. A reading tells what was there when it was asked for. Delays differ, so a later reading may come earlier. What
 * is appended is kept at once, and what is on its way when the server closes arrives then.
 *
 * @throws SendallError `BAD_OPTION`
 *
 * @example
 * ```ts
 * import { createTestRuntime, delayedHistory } from "sendall/testing";
 * import { expect, test } from "vitest";
 *
 * test("a newcomer sees what was kept once the store has answered", async () => {
 *   await using runtime = createTestRuntime({
 *     history: { store: delayedHistory() },
 *     handler: (event) => event.type === "open" && event.connection.follow("hall", { last: 50 }),
 *   });
 *   await runtime.settle();
 *   runtime.server.sendall("before", { room: "hall", keep: true });
 *   const bob = await runtime.connect();
 *   expect(bob.take()).toEqual([]);
 *   await runtime.advance(100);
 *   expect(bob.take()).toEqual(["before"]);
 * });
 * ```
 */
export function delayedHistory(options: DelayedHistoryOptions = {}): HistoryStore {
  checkOptionsObject(options, "an object such as { maxDelayMs: 50 }");
  checkNames({ options }, delayTable);
  const settings = readSettings<DelayedHistoryOptions, typeof delayTable>(delayTable, { options });
  const { minDelayMs, maxDelayMs } = settings;
  if (maxDelayMs !== undefined && maxDelayMs < minDelayMs)
    refuseOption("maxDelayMs", `expected a number from minDelayMs (${minDelayMs}), got ${maxDelayMs}`);
  return new DelayedHistory(settings);
}
