/** The error with which `explore` rejects: a failing run with its trace, or two runs of the same seed that differ. */
import type { TraceStep } from "./trace.js";

/** The environment variable for the seed of the only run. */
export const SEED_VARIABLE = "SENDALL_SEED";

/** A run that ended otherwise when `explore` played the run again. */
export interface Divergence {
  /** The seed of both runs. */
  readonly seed: number;
  /** How the run ended at first: `"passes"`, or `"fails with"` and the error's name and message. */
  readonly first: string;
  /** How the run ended when played again. */
  readonly again: string;
  /** The number of the first line in which the traces differ; `undefined` if both traces are the same. */
  readonly step: number | undefined;
}

/** Both runs of a {@link Divergence}, with the lines in which the traces part. */
export interface DivergedRuns extends Divergence {
  readonly firstLine: TraceStep | undefined;
  readonly againLine: TraceStep | undefined;
}

/** A scenario has failed. */
export class ExploreFailure extends Error {
  override readonly name = "ExploreFailure";
  /** The number of the failing run: `explore(scenario, { runs: 1, seed })` plays it again, with the same trace. */
  readonly seed: number;
  /** The shortest failing run found: who did what, in order. Empty with a {@link divergence}, since a trace would mislead. */
  readonly trace: readonly TraceStep[];
  /**
   * Set if a run, played again with its seed, ended otherwise or had another trace: something outlives a run (state outside the scenario),
   * or is not out of the seed (`Math.random`, `Date.now`, real timers, sockets). Mend the scenario or its handler first: until then no
   * seed and no trace tell anything. `undefined` for a failure that the seed plays again.
   */
  readonly divergence: Divergence | undefined;

  /**
   * Made by `explore`; programs need not make failures.
   * @param message the whole report
   * @param details the seed of the failing run, the trace, and as `cause` what the scenario threw
   */
  constructor(
    message: string,
    details: {
      readonly seed: number;
      readonly trace: readonly TraceStep[];
      readonly cause: unknown;
      readonly divergence?: Divergence;
    },
  ) {
    super(message, { cause: details.cause });
    this.seed = details.seed;
    this.trace = details.trace;
    this.divergence = details.divergence;
  }
}

/** Assertion libraries put a comparison of several lines after the first paragraph. */
function firstParagraph(message: string): string {
  const [first = ""] = message.split("\n\n");
  return first;
}

/** @param message the message of the error that the scenario threw */
export function formatTrace(seed: number, trace: readonly TraceStep[], message: string): string {
  const width = Math.max(0, ...trace.map(({ actor }) => actor.length));
  const digits = String(trace.length).length;
  const lines = trace.map(({ step, actor, did, what }) =>
    `  ${String(step).padStart(digits)}  ${actor.padEnd(width)}  ${did} ${what}`.trimEnd(),
  );
  return [
    `the run with seed ${seed} fails: ${firstParagraph(message)}`,
    ...lines,
    `to play it again: explore(scenario, { runs: 1, seed: ${seed} }), or ${SEED_VARIABLE}=${seed} in the environment`,
  ].join("\n");
}

/**
 * @param seed the seed of the failing run
 * @param message the message of the error that the scenario threw
 */
export function formatDivergence(seed: number, message: string, runs: DivergedRuns): string {
  const short = [firstParagraph(runs.first), firstParagraph(runs.again)];
  // Ends that differ only further down are shown whole.
  const [first, again] = short[0] === short[1] ? [runs.first, runs.again] : short;
  const { step, firstLine, againLine } = runs;
  return [
    `something outlives a run, or is not seeded: the run with seed ${runs.seed} came out differently when it was played again`,
    `  at first: ${first}`,
    `  again:    ${again}`,
    ...(step === undefined
      ? ["  the traces are the same"]
      : [`  step ${step} at first: ${describe(firstLine)}`, `  step ${step} again:    ${describe(againLine)}`]),
    ...(runs.seed === seed ? [] : [`The run with seed ${seed} fails: ${firstParagraph(message)}`]),
    "What it may be: state outside the scenario (a variable or a Map of a module, a file, a database), Math.random, Date.now,",
    "real timers or sockets. Make all state within the scenario, take chance from its `random` and time from `bus`, then explore again.",
  ].join("\n");
}

function describe(line: TraceStep | undefined): string {
  return line === undefined ? "the end" : `${line.actor} ${line.did} ${line.what}`.trimEnd();
}
