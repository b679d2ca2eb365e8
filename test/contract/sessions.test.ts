/**
 * The property of sessions, over memory: whatever is lost on the way, and whatever limits apply, either both ends got exactly what the
 * other sent, once and in order, or each end was told otherwise (`SENDALL_RUNS` runs; 450 if it is not set).
 */
import { explore, type Fault } from "sendall/testing";
import { describe, expect, test } from "vitest";
import type { Ledger, SlowConsumer } from "./session-ledger.js";
import { talk } from "./session-talk.js";

/** The runs are shared out among the policies. */
const RUNS = Number(process.env.SENDALL_RUNS ?? 450);
const MAX_STEPS = 100_000;
const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish"];
const POLICIES: readonly SlowConsumer[] = ["close", "dropOldest", "dropNewest"];

const runs = Math.ceil(RUNS / POLICIES.length);

describe.each(POLICIES)("under slowConsumer %j", (policy) => {
  test(`messages come once and in order, or both ends are told (${runs} runs)`, async () => {
    const seen: Ledger[] = [];
    await explore(talk({ policy, onRun: (ledger) => void seen.push(ledger) }), {
      runs,
      faults: FAULTS,
      maxSteps: MAX_STEPS,
    });
    const outcomes = new Set(
      seen.flatMap(({ sessions }) => sessions.flatMap(({ openings }) => openings.map((o) => o.why))),
    );
    // Otherwise the runs would say little.
    expect(outcomes).toEqual(new Set(["new", "resumed", "gap", "expired"]));
  }, 3_000_000);
});
