/**
 * Faulty builds of presence, on this node's side and between nodes: `explore` finds each fault by people who come and go on three nodes, and
 * the seed plays the failure again. The sound build passes the same scenario in `presence.test.ts`.
 */
import type { Connection } from "sendall";
import { ExploreFailure, type ExploreOptions, explore, type Scenario, SendallError } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Audience } from "../../src/actors/presence/audience.js";
import { OwnEntries } from "../../src/actors/presence/own-entries.js";
import { Presence } from "../../src/actors/presence/presence.js";
import { Asks } from "../../src/cluster/presence/asks.js";
import { PresenceExchange } from "../../src/cluster/presence/exchange.js";
import { Peer } from "../../src/cluster/presence/peer.js";
import { presenceTalk } from "./presence-talk.js";

const RUNS = 1_000;
const MAX_STEPS = 200_000;

const planted = vi.hoisted(() => ({ fault: "" }));

// What several nodes know of a key is merged by a function, not by a method.
vi.mock("../../src/actors/presence/merge.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/actors/presence/merge.js")>();
  const mergeEntries: typeof original.mergeEntries = (entries) => {
    const merged = original.mergeEntries(entries);
    return planted.fault === "own info" && merged ? { ...merged, info: entries[0]?.entry.info ?? null } : merged;
  };
  return { ...original, mergeEntries };
});

afterEach(() => {
  planted.fault = "";
  vi.restoreAllMocks();
});

/** How to put each fault into the build. */
const faults: Readonly<Record<string, () => void>> = {
  "news that are told after somebody has joined, not before": () => {
    const { beforeJoin } = Presence.prototype;
    vi.spyOn(Presence.prototype, "beforeJoin").mockImplementation(function (this: Presence, ...args) {
      return () => beforeJoin.apply(this, args)?.();
    });
  },

  "a notice that goes to nobody": () => {
    const { onChanged } = Audience.prototype;
    vi.spyOn(Audience.prototype, "onChanged").mockImplementation(function (this: Audience, ...args) {
      if (this.told.size < 3) onChanged.apply(this, args);
    });
  },

  "a key that keeps the info of a tab that has gone": () => {
    const { leave, find } = OwnEntries.prototype;
    const kept = new WeakMap<OwnEntries, ReturnType<OwnEntries["find"]>>();
    vi.spyOn(OwnEntries.prototype, "leave").mockImplementation(function (this: OwnEntries, member) {
      const key = this.keyOf(member as Connection);
      if (key !== undefined) kept.set(this, find.call(this, key));
      return leave.call(this, member);
    });
    vi.spyOn(OwnEntries.prototype, "find").mockImplementation(function (this: OwnEntries, key) {
      const [entry, before] = [find.call(this, key), kept.get(this)];
      return entry && before?.key === key ? { ...entry, info: before.info } : entry;
    });
  },

  "a node that prefers its own info": () => {
    planted.fault = "own info";
  },

  "a change that is lost, and nobody asks": () => {
    vi.spyOn(Asks.prototype, "ask").mockImplementation(() => {});
  },

  "a hole in the numbers that is not seen": () => {
    const { applyDelta } = Peer.prototype;
    vi.spyOn(Peer.prototype, "applyDelta").mockImplementation(function (this: Peer, room, delta) {
      return applyDelta.call(this, room, { ...delta, from: Math.max(this.numberOf(room), 0) });
    });
  },

  "a new subscription that asks nobody": () => {
    vi.spyOn(PresenceExchange.prototype, "onConfirmed").mockImplementation(() => {});
  },

  "copies that outlive their node": () => {
    vi.spyOn(Peer.prototype, "rooms").mockImplementation(() => []);
  },
};

/** `explore` does not shorten a run that fails with this code: to shorten runs of such length takes longer than to find them. */
const scenario: Scenario = async (stage) => {
  try {
    await presenceTalk()(stage);
  } catch (error) {
    throw new SendallError("NOT_SETTLED", error instanceof Error ? error.message : String(error), { cause: error });
  }
};

async function failureOf(options: ExploreOptions): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, { maxSteps: MAX_STEPS, ...options }).then(
    () => new Error("it passes"),
    (failure) => failure,
  );
  if (error instanceof ExploreFailure) return error;
  throw error;
}

describe.each(Object.entries(faults))("%s", (_name, spoil) => {
  test("is found, and the seed that is told plays it again", async () => {
    spoil();
    const { seed, trace, message, divergence } = await failureOf({ runs: RUNS });
    expect(divergence).toBe(undefined);
    const again = await failureOf({ runs: 1, seed });
    expect([again.seed, again.trace, again.message]).toEqual([seed, trace, message]);
    expect(message).toContain(`seed: ${seed}`);
  }, 1_000_000);
});
