/**
 * The property of presence, over memory: whoever comes to rooms on three nodes, leaves, or is lost with or without a node, in the end every
 * node, every client and every handler know who is there (`SENDALL_RUNS` runs; 200 if it is not set).
 */
import { explore } from "sendall/testing";
import { expect, test } from "vitest";
import { presenceTalk, type RunFacts } from "./presence-talk.js";

const RUNS = Number(process.env.SENDALL_RUNS ?? 200);

test(`after quiet lists are the truth, and so are lists and notices at clients, and events at handlers (${RUNS} runs)`, async () => {
  const seen: RunFacts[] = [];
  await explore(presenceTalk({ onRun: (facts) => void seen.push(facts) }), { runs: RUNS, maxSteps: 200_000 });
  // Otherwise the runs would say little.
  expect(seen.filter(({ killed }) => killed > 0).length).toBeGreaterThan(seen.length / 20);
  expect(seen.filter(({ closed }) => closed > 0).length).toBeGreaterThan(seen.length / 20);
  expect(new Set(seen.map(({ graceMs }) => graceMs))).toEqual(new Set([0, 1_000, 5_000]));
  expect(seen.filter(({ isLossy }) => isLossy).length).toBeGreaterThan(seen.length / 4);
  expect(seen.filter(({ present }) => present > 2).length).toBeGreaterThan(seen.length / 4);
}, 3_000_000);
