/** Compares two runs of the same decisions, for `explore`: such runs differ only if something outlives a run, or is not out of the seed. */
import type { DivergedRuns } from "./failure.js";
import type { PlayedRun } from "./play.js";
import type { TraceStep } from "./trace.js";

/** @returns how the runs differ; `undefined` if both ended in the same way, with the same trace */
export function compareRuns(seed: number, first: PlayedRun, again: PlayedRun): DivergedRuns | undefined {
  const ends = { first: describeEnd(first), again: describeEnd(again) };
  const index = firstDifference(first.trace, again.trace);
  if (index === undefined && ends.first === ends.again) return undefined;
  if (index === undefined) return { seed, ...ends, step: undefined, firstLine: undefined, againLine: undefined };
  return { seed, ...ends, step: index + 1, firstLine: first.trace[index], againLine: again.trace[index] };
}

function describeEnd({ failure }: PlayedRun): string {
  return failure === undefined ? "passes" : `fails with ${failure.kind}: ${failure.message}`;
}

/** @returns the index of the first line in which the traces differ */
function firstDifference(first: readonly TraceStep[], again: readonly TraceStep[]): number | undefined {
  for (let i = 0; i < Math.max(first.length, again.length); i++) {
    const [a, b] = [first[i], again[i]];
    if (a?.actor !== b?.actor || a?.did !== b?.did || a?.what !== b?.what) return i;
  }
  return undefined;
}
