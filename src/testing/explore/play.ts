/** Plays one run of a scenario, for `explore`. Every runtime of the scenario shares the run's `Explorer`, and is closed when the run ends. */
import { setImmediate } from "node:timers";
import type { ConnectionData } from "../../api/connection.js";
import { SendallError, type SendallErrorCode } from "../../api/errors.js";
import { isError, messageOf, readProperty } from "../../runtime/thrown.js";
import { buildRuntime } from "../runtime/build.js";
import type { TestRuntime, TestRuntimeOptions } from "../runtime/contracts.js";
import { LazyDeadline, NO_ALARMS, OUTSIDE_WAIT_MS, QUIET_ROUNDS } from "../runtime/driver.js";
import type { LiveRuntime } from "../runtime/live.js";
import { SeededRandom } from "../runtime/random.js";
import type { Chooser } from "./chooser.js";
import { Explorer, type Fault } from "./explorer.js";
import type { Shrinkable } from "./shrink.js";
import type { TraceStep } from "./trace.js";

/** The stage of a scenario: makes runtimes and random numbers. */
export interface Stage {
  /**
   * Makes a runtime, as `createTestRuntime`, on a clock shared by the run's runtimes. The runtime is closed when the run ends.
   * @throws SendallError `BAD_OPTION`
   */
  runtime<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>, T = Record<string, unknown>>(
    options: TestRuntimeOptions<D, S, R, T>,
  ): TestRuntime<D>;
  /** The run's seed. */
  readonly seed: number;
  /** A number from 0 up to 1, out of the seed: in place of `Math.random`. */
  random(): number;
}

/** A test that `explore` plays again and again; a scenario fails by throwing. */
export type Scenario = (stage: Stage) => unknown;

export interface RunSettings {
  readonly seed: number;
  readonly chooser: Chooser;
  readonly faults: readonly Fault[];
  readonly maxSteps: number;
}

/** A run that is over. */
export interface PlayedRun extends Shrinkable {
  readonly trace: readonly TraceStep[];
  /** Why the run has failed; `undefined` if the run has passed. */
  readonly failure: RunFailure | undefined;
}

export interface RunFailure {
  readonly error: unknown;
  /** The name of the error's class, or its code: shrinking must not exchange a failure for another kind of failure. */
  readonly kind: string;
  /** The error's message when the run failed; handlers may throw the same error again, with another message. */
  readonly message: string;
  /** The run waited for something that did not come, or took too many steps. */
  readonly hangs: boolean;
}

export async function play(scenario: Scenario, { seed, chooser, faults, maxSteps }: RunSettings): Promise<PlayedRun> {
  const explorer = new Explorer({ chooser, faults, maxSteps });
  const runtimes: LiveRuntime<unknown>[] = [];
  const random = new SeededRandom(seed);
  const stage: Stage = {
    seed,
    random: () => random.fraction(),
    runtime<D, S, R, T>(options: TestRuntimeOptions<D, S, R, T>): TestRuntime<D> {
      const runtime = buildRuntime(options, seed, explorer);
      runtimes.push(runtime);
      return runtime;
    },
  };
  const end = (failure: RunFailure | undefined): PlayedRun => {
    const trace = [...explorer.trace.steps];
    return { decisions: [...chooser.decisions], trace, length: trace.length, failure };
  };
  try {
    await driveUntilSettled(explorer, (async () => scenario(stage))());
    // Also throws if the scenario has caught the error for too many steps.
    for (const runtime of runtimes) await runtime.closeIfUsed();
    return end(undefined);
  } catch (error) {
    const kind = kindOf(error);
    const failed = end({ error, kind, message: messageOf(error), hangs: kind === HANGS });
    explorer.stopChoosing();
    for (const runtime of runtimes) await runtime.terminate();
    return failed;
  }
}

const HANGS: SendallErrorCode = "NOT_SETTLED";

function kindOf(error: unknown): string {
  if (!isError(error)) return typeof error;
  return error instanceof SendallError ? error.code : String(readProperty(error, "name"));
}

/**
 * Settles like the scenario. Also runs steps while the scenario waits for something other than a runtime (say, a promise that a handler
 * settles), and rejects if the scenario waits and nothing can happen.
 */
function driveUntilSettled(explorer: Explorer, scenario: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let quietRounds = 0;
    let progress = 0;
    let deadline = new LazyDeadline(OUTSIDE_WAIT_MS);
    const checkProgress = (): void => {
      if (isOver) return;
      if (explorer.isDriven || explorer.progress !== progress) quietRounds = 0;
      progress = explorer.progress;
      try {
        if (quietRounds++ === 0) deadline = new LazyDeadline(OUTSIDE_WAIT_MS);
        else if (quietRounds > QUIET_ROUNDS) runStep(explorer, deadline);
        setImmediate(checkProgress);
      } catch (error) {
        reject(error);
      }
    };
    scenario
      .then(() => resolve(), reject)
      .finally(() => {
        isOver = true;
      });
    setImmediate(checkProgress);
  });
}

function runStep(explorer: Explorer, deadline: LazyDeadline): void {
  if (explorer.canRun(NO_ALARMS)) explorer.run(NO_ALARMS);
  else if (explorer.goOn(true)) return;
  else if (deadline.hasPassed)
    throw new SendallError("NOT_SETTLED", "the scenario waits for something outside the runtime");
}
