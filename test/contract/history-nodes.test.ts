/**
 * The properties of history over several nodes: every client sees one order, `"complete"` is exactly what is missing, and what comes follows without hole
 * or double (`SENDALL_RUNS` runs; 300 if it is not set).
 */
import { explore, type Fault } from "sendall/testing";
import { expect, test } from "vitest";
import { type NodeFacts, nodesTalk } from "./history-nodes-talk.js";
import { type RelayedFacts, relayedTalk } from "./history-relayed-talk.js";

const RUNS = Number(process.env.SENDALL_RUNS ?? 300);
const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish"];
const MAX_STEPS = 200_000;

test(`followers on three nodes see the order of an engine, without hole or double (${RUNS} runs)`, async () => {
  const seen: NodeFacts[] = [];
  await explore(nodesTalk({ onRun: (facts) => void seen.push(facts) }), {
    runs: RUNS,
    faults: FAULTS,
    maxSteps: MAX_STEPS,
  });
  const sum = (count: (facts: NodeFacts) => number): number => seen.reduce((total, facts) => total + count(facts), 0);
  // Otherwise the runs would say little.
  expect(sum(({ outcomes }) => outcomes.complete)).toBeGreaterThan(RUNS);
  expect(sum(({ outcomes }) => outcomes.gap)).toBeGreaterThan(RUNS / 20);
  expect(sum(({ outcomes }) => outcomes.unknown)).toBeGreaterThan(RUNS / 20);
  expect(sum(({ replayed }) => replayed)).toBeGreaterThan(RUNS);
  expect(sum(({ moves }) => moves)).toBeGreaterThan(RUNS / 2);
  expect(sum(({ refused }) => refused)).toBeGreaterThan(RUNS / 10);
}, 3_000_000);

test(`followers on three nodes with stores in memory see one order, and complete is never over a hole (${RUNS} runs)`, async () => {
  const seen: RelayedFacts[] = [];
  // The scenario itself cuts sockets: a fault must not hit the member that sees the order.
  await explore(relayedTalk({ onRun: (facts) => void seen.push(facts) }), { runs: RUNS, maxSteps: MAX_STEPS });
  const sum = (count: (facts: RelayedFacts) => number): number =>
    seen.reduce((total, facts) => total + count(facts), 0);
  // Otherwise the runs would say little.
  expect(sum(({ outcomes }) => outcomes.complete)).toBeGreaterThan(RUNS);
  expect(sum(({ outcomes }) => outcomes.unknown)).toBeGreaterThan(RUNS / 2);
  expect(sum(({ replayed }) => replayed)).toBeGreaterThan(RUNS / 2);
  expect(sum(({ moves }) => moves)).toBeGreaterThan(RUNS / 2);
}, 3_000_000);
