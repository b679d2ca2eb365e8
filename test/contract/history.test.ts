/**
 * The property of history, over memory: whoever loses sockets and comes back with a position, `"complete"` is exactly what is missing, once and in order,
 * and what comes follows without hole or double (`SENDALL_RUNS` runs; 400 if it is not set).
 */
import { explore, type Fault } from "sendall/testing";
import { expect, test } from "vitest";
import { type FollowFacts, historyTalk } from "./history-talk.js";

const RUNS = Number(process.env.SENDALL_RUNS ?? 400);
const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish"];

test(`what is complete is exactly what is missing, and what comes follows without hole or double (${RUNS} runs)`, async () => {
  const seen: FollowFacts[] = [];
  await explore(historyTalk({ onRun: (facts) => void seen.push(facts) }), {
    runs: RUNS,
    faults: FAULTS,
    maxSteps: 100_000,
  });
  const sum = (count: (facts: FollowFacts) => number): number => seen.reduce((total, facts) => total + count(facts), 0);
  // Otherwise the runs would say little.
  expect(sum(({ outcomes }) => outcomes.complete)).toBeGreaterThan(RUNS);
  expect(sum(({ outcomes }) => outcomes.gap)).toBeGreaterThan(RUNS / 20);
  expect(sum(({ outcomes }) => outcomes.unknown)).toBeGreaterThan(RUNS / 50);
  expect(sum(({ replayed }) => replayed)).toBeGreaterThan(RUNS);
  expect(seen.filter(({ isSlow }) => isSlow).length).toBeGreaterThan(RUNS / 4);
}, 3_000_000);
