/** Plays a scenario once, for `explore`: every runtime of it on one explored world, which ends with it. */
import { clearTimeout, setTimeout } from "node:timers";
import { SendallError } from "../errors.js";
import type { ConnectionData } from "../events.js";
import { buildRuntime } from "./build.js";
import type { Chooser } from "./chooser.js";
import type { TestRuntime, TestRuntimeOptions } from "./contracts.js";
import { Explorer, type Fault } from "./explorer.js";
import type { LiveRuntime } from "./live.js";
import { Random } from "./random.js";
import type { Failed } from "./shrink.js";
import type { TraceStep } from "./trace.js";

/** What a scenario is played with. */
export interface Stage {
  /** Makes a runtime, as `createTestRuntime`, on the clock that all of the run's runtimes share. It is closed when the run ends. */
  runtime<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
    options: TestRuntimeOptions<D, S, R>,
  ): TestRuntime<D>;
  /** The run's seed. */
  readonly seed: number;
  /** From 0 up to 1, out of the seed: in place of `Math.random`. */
  random(): number;
}

/** What `explore` plays again and again: it fails by throwing. */
export type Scenario = (stage: Stage) => void | Promise<void>;

export interface PlaySettings {
  readonly seed: number;
  readonly chooser: Chooser;
  readonly faults: readonly Fault[];
  readonly maxSteps: number;
}

/** A run that has failed. */
export interface Play extends Failed {
  readonly trace: readonly TraceStep[];
  readonly error: unknown;
  /** It waited for something that did not come, or took too many steps. */
  readonly hangs: boolean;
}

/** So often, a second apart, is looked for anything that has happened before a scenario is taken to wait for nothing. */
const IDLE_LOOKS = 3;
const LOOK_MS = 1_000;

/** @returns how it failed; `undefined` if it has passed */
export async function play(
  scenario: Scenario,
  { seed, chooser, faults, maxSteps }: PlaySettings,
): Promise<Play | undefined> {
  const explorer = new Explorer({ chooser, faults, maxSteps });
  const runtimes: LiveRuntime<unknown>[] = [];
  const random = new Random(seed);
  const stage: Stage = {
    seed,
    random: () => random.fraction(),
    runtime<D, S, R>(options: TestRuntimeOptions<D, S, R>): TestRuntime<D> {
      const runtime = buildRuntime(options, seed, explorer);
      runtimes.push(runtime);
      return runtime;
    },
  };
  try {
    await watch(explorer, (async () => scenario(stage))());
    for (const runtime of runtimes) await runtime.end();
    // Also if the scenario has swallowed the error.
    explorer.checkLength();
    return undefined;
  } catch (error) {
    const decisions = [...chooser.decisions];
    const trace = [...explorer.trace.steps];
    explorer.letGo();
    for (const runtime of runtimes) await runtime.abandon();
    return { decisions, trace, length: trace.length, error, hangs: isHang(error) };
  }
}

function isHang(error: unknown): boolean {
  return error instanceof SendallError && error.code === "NOT_SETTLED";
}

/** Rejects if the scenario waits and nobody moves anything: it would for ever. */
function watch(explorer: Explorer, scenario: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let moves = -1;
    let looks = 0;
    const look = (): void => {
      looks = moves === explorer.moves ? looks + 1 : 0;
      moves = explorer.moves;
      if (looks < IDLE_LOOKS) timer = setTimeout(look, LOOK_MS);
      else reject(new SendallError("NOT_SETTLED", "the scenario waits for something that the runtime does not bring"));
    };
    let timer = setTimeout(look, LOOK_MS);
    scenario.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
