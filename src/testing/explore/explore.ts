/**
 * `explore`: plays a scenario under many interleavings of deliveries, turns and alarms, each out of a seed, until a run fails. Then
 * `explore` plays the failing run and a passing run again, to see that runs depend on nothing but their seeds, searches for the shortest
 * failing run, and throws a failure with its trace.
 */
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../../options/read-options.js";
import type { SettingsOf } from "../../options/table.js";
import { show } from "../../runtime/show.js";
import { ReplayChooser, SeededChooser } from "./chooser.js";
import { compareRuns } from "./compare.js";
import type { Fault } from "./explorer.js";
import { type DivergedRuns, ExploreFailure, formatDivergence, formatTrace, SEED_VARIABLE } from "./failure.js";
import { type PlayedRun, play, type RunFailure, type Scenario } from "./play.js";
import { shrink } from "./shrink.js";

/** How a scenario is explored. */
export interface ExploreOptions {
  /** How many interleavings are played. Default 100. */
  readonly runs?: number;
  /**
   * The seed of the first run, a whole number; each further run has the next number. Default 1. The environment variable `SENDALL_SEED`
   * comes before this option, and plays a single run with the given seed.
   */
  readonly seed?: number;
  /** A run with more steps fails. Default 10,000. */
  readonly maxSteps?: number;
  /** What may go wrong with clients and servers at any time; see {@link Fault}. Default none. */
  readonly faults?: readonly Fault[];
}

const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish", "node gone"];

const exploreTable = {
  runs: { kind: "whole", min: 1, default: 100 },
  maxSteps: { kind: "whole", min: 1, default: 10_000 },
  seed: { kind: "whole", default: 1 },
  faults: {
    expected: `an array of ${FAULTS.map((fault) => `"${fault}"`).join(", ")}`,
    accepts: (value: unknown): value is readonly Fault[] =>
      Array.isArray(value) && value.every((fault) => FAULTS.includes(fault)),
    default: [],
  },
} as const;

type Plan = SettingsOf<ExploreOptions, typeof exploreTable>;

function readPlan(scenario: Scenario, options: ExploreOptions): Plan {
  if (typeof scenario !== "function")
    refuseOption("scenario", `expected a function ({ runtime }) => { … }, got ${show(scenario)}`);
  checkOptionsObject(options, "an object such as { runs: 100 }");
  checkNames({ options }, exploreTable);
  const plan = readSettings<ExploreOptions, typeof exploreTable>(exploreTable, { options });
  const given = process.env[SEED_VARIABLE];
  if (given === undefined || given === "") return plan;
  if (!/^-?\d+$/.test(given)) refuseOption(SEED_VARIABLE, `expected a whole number, got ${show(given)}`);
  return { ...plan, runs: 1, seed: Number(given) };
}

/**
 * Plays a scenario under many interleavings, each on fresh runtimes: what clients do only puts messages on their way, and a seeded
 * generator decides at each step what arrives, whether the server runs a turn, and, within `advance`, when an alarm rings. Resolves
 * when every run has passed. A scenario fails by throwing; failures of its handlers are thrown in the scenario.
 *
 * After a fault, `settle`, `next` and whatever else the scenario waits for let virtual time pass until the clients of `dial` that were hit
 * are back. `next`, and any other wait for a single thing, also lets time pass until the server has noticed the clients that are gone, and
 * until the sessions of those that do not come back have ended. The times of alarms are exact, but within `advance` a message may arrive
 * at any time up to its end.
 *
 * The same seed plays the same run on every machine, as long as the scenario and its handler wait for nothing outside the runtime and
 * ask for no other randomness and time than `random`, `bus.now` and the runtime's.
 *
 * Before a failure is reported, its run and a run that has passed are played again. If either turns out another run, the failure has no
 * trace, but a `divergence`: something outlives a run, or is not out of the seed, such as state in a module, `Math.random` or a real timer.
 *
 * @throws ExploreFailure with the seed and the shortest trace that was found
 * @throws SendallError `BAD_OPTION`
 *
 * @example
 * ```ts
 * import type { HandlerFunction } from "sendall";
 * import { explore } from "sendall/testing";
 * import { expect, test } from "vitest";
 *
 * const handler: HandlerFunction = (event, bus) => {
 *   if (event.type === "message") bus.broadcast(event.data, event.connection);
 * };
 *
 * test("bob reads what ann says, in whatever order the server gets to work", async () => {
 *   await explore(async ({ runtime }) => {
 *     const chat = runtime({ handler });
 *     const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
 *     ann.send("hi");
 *     await chat.settle();
 *     expect(bob.take()).toEqual(["hi"]);
 *   }, { runs: 50 });
 * });
 * ```
 */
export async function explore(scenario: Scenario, options: ExploreOptions = {}): Promise<void> {
  const plan = readPlan(scenario, options);
  let passed: SeededRun | undefined;
  for (let run = 0; run < plan.runs; run++) {
    const played = await playSeed(scenario, plan, plan.seed + run);
    if (played.failure !== undefined)
      throw await report(scenario, plan, { ...played, failure: played.failure }, passed);
    // The first run knows of no earlier run, so that it shows best what runs leave behind.
    passed ??= played;
  }
}

interface SeededRun extends PlayedRun {
  readonly seed: number;
}

interface FailedRun extends SeededRun {
  readonly failure: RunFailure;
}

async function playSeed(scenario: Scenario, plan: Plan, seed: number): Promise<SeededRun> {
  return { ...(await play(scenario, { ...plan, seed, chooser: new SeededChooser(seed) })), seed };
}

/** @returns the failure with the shortest trace, or with the divergence of two runs: then every trace would mislead */
async function report(
  scenario: Scenario,
  plan: Plan,
  failed: FailedRun,
  passed: SeededRun | undefined,
): Promise<ExploreFailure> {
  const { seed } = failed;
  const known = passed === undefined ? [failed] : [failed, passed];
  let diverged = await findDivergence(scenario, plan, known);
  if (diverged === undefined) {
    const shortest = await shrinkFailure(scenario, plan, failed);
    // What the runs of the search have left behind may show only now.
    if (shortest !== failed) diverged = await findDivergence(scenario, plan, [shortest, ...known]);
    const { trace, failure } = shortest;
    if (diverged === undefined)
      return new ExploreFailure(formatTrace(seed, trace, failure.message), { seed, trace, cause: failure.error });
  }
  const { error: cause, message } = failed.failure;
  const { firstLine: _first, againLine: _again, ...divergence } = diverged;
  return new ExploreFailure(formatDivergence(seed, message, diverged), { seed, trace: [], cause, divergence });
}

/** Plays runs again, each by its decisions. */
async function findDivergence(
  scenario: Scenario,
  plan: Plan,
  runs: readonly SeededRun[],
): Promise<DivergedRuns | undefined> {
  for (const run of runs) {
    const { seed, decisions } = run;
    const again = await play(scenario, { ...plan, seed, chooser: new ReplayChooser(decisions) });
    const diverged = compareRuns(seed, run, again);
    if (diverged !== undefined) return diverged;
  }
  return undefined;
}

/** Searches for the shortest run that fails with the same kind of error. */
async function shrinkFailure(scenario: Scenario, plan: Plan, failed: FailedRun): Promise<FailedRun> {
  const { seed, failure } = failed;
  // A run that hangs, or has too many steps, takes too long to be played again and again.
  if (failure.hangs) return failed;
  return shrink(failed, async (decisions) => {
    const found = await play(scenario, { ...plan, seed, chooser: new ReplayChooser(decisions) });
    return found.failure?.kind === failure.kind ? { ...found, seed, failure: found.failure } : undefined;
  });
}
