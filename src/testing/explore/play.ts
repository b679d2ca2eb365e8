/** Plays a scenario once, for `explore`: every runtime of it on one explored world, which ends with it. */
import { setImmediate } from "node:timers";
import type { ConnectionData } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { isError } from "../../runtime/thrown.js";
import { buildRuntime } from "../runtime/build.js";
import type { TestRuntime, TestRuntimeOptions } from "../runtime/contracts.js";
import { NO_TIME, PATIENCE_MS, Patience, QUIET_ROUNDS } from "../runtime/driver.js";
import type { LiveRuntime } from "../runtime/live.js";
import { Random } from "../runtime/random.js";
import type { Chooser } from "./chooser.js";
import { Explorer, type Fault } from "./explorer.js";
import type { Failed } from "./shrink.js";
import type { TraceStep } from "./trace.js";

/** What a scenario is played with. */
export interface Stage {
  /**
   * Makes a runtime, as `createTestRuntime`, on the clock that all of the run's runtimes share. It is closed when the run ends.
   * @throws SendallError `BAD_OPTION`
   */
  runtime<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
    options: TestRuntimeOptions<D, S, R>,
  ): TestRuntime<D>;
  /** The run's seed. */
  readonly seed: number;
  /** From 0 up to 1, out of the seed: in place of `Math.random`. */
  random(): number;
}

/** What `explore` plays again and again: it fails by throwing. */
export type Scenario = (stage: Stage) => unknown;

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
    // Throws, too, if the scenario has swallowed that there were too many steps.
    for (const runtime of runtimes) await runtime.end();
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
  return isError(error) && error instanceof SendallError && error.code === "NOT_SETTLED";
}

/**
 * Settles as the scenario does. While that waits for something else than a runtime (a promise of its own, that a handler settles),
 * things go on too; it rejects if nothing can.
 */
function watch(explorer: Explorer, scenario: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let quiet = 0;
    let moves = 0;
    let patience = new Patience(PATIENCE_MS);
    const look = (): void => {
      if (isOver) return;
      if (explorer.isDriven || explorer.moves !== moves) quiet = 0;
      moves = explorer.moves;
      try {
        if (quiet++ === 0) patience = new Patience(PATIENCE_MS);
        else if (quiet > QUIET_ROUNDS) goOn(explorer, patience);
        setImmediate(look);
      } catch (error) {
        reject(error);
      }
    };
    scenario
      .then(() => resolve(), reject)
      .finally(() => {
        isOver = true;
      });
    setImmediate(look);
  });
}

function goOn(explorer: Explorer, patience: Patience): void {
  if (explorer.hasAny(NO_TIME)) explorer.run(NO_TIME);
  else if (patience.isOver)
    throw new SendallError("NOT_SETTLED", "the scenario waits for something that the runtime does not bring");
}
