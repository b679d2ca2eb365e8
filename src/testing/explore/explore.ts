/**
 * `explore`: plays a scenario under many interleavings of deliveries, turns and alarms, each out of a seed, until a run fails; then
 * searches for the shortest failing run, and throws a failure with its trace.
 */
import { SendallError } from "../../api/errors.js";
import { checkNames, readSettings, refuseOption } from "../../options/read-options.js";
import type { SettingsOf } from "../../options/table.js";
import { show } from "../../runtime/show.js";
import { isError, messageOf, readProperty } from "../../runtime/thrown.js";
import { ReplayChooser, SeededChooser } from "./chooser.js";
import type { Fault } from "./explorer.js";
import { type FailedRun, play, type Scenario } from "./play.js";
import { shrink } from "./shrink.js";
import type { TraceStep } from "./trace.js";

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
  /** What may go wrong with clients at any time; see {@link Fault}. Default none. */
  readonly faults?: readonly Fault[];
}

const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset"];
const SEED_VARIABLE = "SENDALL_SEED";

/** A scenario has failed. */
export class ExploreFailure extends Error {
  override readonly name = "ExploreFailure";
  /** The number of the failing run: `explore(scenario, { runs: 1, seed })` plays it again, with the same trace. */
  readonly seed: number;
  /** The shortest failing run found: who did what, in order. */
  readonly trace: readonly TraceStep[];

  /**
   * Made by `explore`; programs need not make failures.
   * @param seed the seed of the failing run
   * @param trace the trace of the shortest failing run
   * @param cause what the scenario threw in the shortest failing run
   */
  constructor(seed: number, trace: readonly TraceStep[], cause: unknown) {
    super(formatFailure(seed, trace, cause), { cause });
    this.seed = seed;
    this.trace = trace;
  }
}

function formatFailure(seed: number, trace: readonly TraceStep[], cause: unknown): string {
  const [first = ""] = messageOf(cause).split("\n\n");
  const width = Math.max(0, ...trace.map(({ actor }) => actor.length));
  const digits = String(trace.length).length;
  const lines = trace.map(({ step, actor, did, what }) =>
    `  ${String(step).padStart(digits)}  ${actor.padEnd(width)}  ${did} ${what}`.trimEnd(),
  );
  return [
    `the run with seed ${seed} fails: ${first}`,
    ...lines,
    `to play it again: explore(scenario, { runs: 1, seed: ${seed} }), or ${SEED_VARIABLE}=${seed} in the environment`,
  ].join("\n");
}

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

function readPlan(options: ExploreOptions): Plan {
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
 * The same seed plays the same run on every machine, as long as the scenario and its handler wait for nothing outside the runtime and
 * ask for no other randomness and time than `random`, `bus.now` and the runtime's.
 *
 * @example
 * await explore(async ({ runtime }) => {
 *   const chat = runtime({ handler });
 *   const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
 *   ann.send("hi");
 *   await chat.settle();
 *   expect(bob.take()).toEqual(["hi"]);
 * }, { runs: 500 });
 *
 * @throws ExploreFailure with the seed and the shortest trace that was found
 * @throws SendallError `BAD_OPTION`
 */
export async function explore(scenario: Scenario, options: ExploreOptions = {}): Promise<void> {
  const plan = readPlan(options);
  for (let run = 0; run < plan.runs; run++) {
    const seed = plan.seed + run;
    const failed = await play(scenario, { ...plan, seed, chooser: new SeededChooser(seed) });
    if (failed === undefined) continue;
    const { trace, error } = await shrinkFailure(scenario, { ...plan, seed }, failed);
    throw new ExploreFailure(seed, trace, error);
  }
}

/** Searches for the shortest run that fails with the same kind of error. */
async function shrinkFailure(scenario: Scenario, plan: Plan, failed: FailedRun): Promise<FailedRun> {
  // A run that hangs, or has too many steps, takes too long to be played again and again.
  if (failed.hangs) return failed;
  return shrink(failed, async (decisions) => {
    const found = await play(scenario, { ...plan, chooser: new ReplayChooser(decisions) });
    return found !== undefined && kindOf(found.error) === kindOf(failed.error) ? found : undefined;
  });
}

function kindOf(error: unknown): string {
  if (!isError(error)) return typeof error;
  return error instanceof SendallError ? error.code : String(readProperty(error, "name"));
}
