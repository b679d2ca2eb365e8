/**
 * Shortens the decisions of a failing run, for `explore`: fewer lines of trace, and the default action in place of a chosen action where
 * possible. The search ends after a bounded number of runs.
 */
import { type Decision, LAST_ACTION } from "./chooser.js";

/** What shrinking compares of a failed run. */
export interface Shrinkable {
  readonly decisions: readonly Decision[];
  /** How many lines the trace has. */
  readonly length: number;
}

/** At most 400 runs are tried, and fewer once the tried runs have 100,000 decisions together. */
const MAX_TRIES = 400;
const MAX_DECISIONS = 100_000;

/** @param replay plays a run with these decisions; `undefined` if the run passes @returns the shortest failing run found */
export async function shrink<F extends Shrinkable>(
  failed: F,
  replay: (decisions: readonly Decision[]) => Promise<F | undefined>,
): Promise<F> {
  let best = failed;
  let tries = 0;
  let played = 0;
  const isExhausted = (): boolean => tries >= MAX_TRIES || played >= MAX_DECISIONS;
  const improve = async (decisions: readonly Decision[]): Promise<boolean> => {
    if (isExhausted()) return false;
    tries++;
    played += best.decisions.length;
    const found = await replay(decisions);
    if (found === undefined || !isShorter(found, best)) return false;
    best = found;
    return true;
  };
  for (let hasImproved = true; hasImproved && !isExhausted(); ) {
    hasImproved = false;
    // Large parts first: most decisions of a long run have nothing to do with its failure.
    for (let size = best.decisions.length; size >= 1; size = Math.floor(size / 2))
      for (let start = 0; start < best.decisions.length && !isExhausted(); start += size)
        if (await shorten(best.decisions, start, size, improve)) hasImproved = true;
  }
  return best;
}

/** Tries to remove a part of the decisions, or to replace each of the part's decisions by the default. */
async function shorten(
  decisions: readonly Decision[],
  start: number,
  size: number,
  improve: (decisions: readonly Decision[]) => Promise<boolean>,
): Promise<boolean> {
  const [before, part, after] = [
    decisions.slice(0, start),
    decisions.slice(start, start + size),
    decisions.slice(start + size),
  ];
  if (await improve([...before, ...after])) return true;
  if (part.some((decision) => decision !== 0) && (await improve([...before, ...part.map(() => 0), ...after])))
    return true;
  const [only] = part;
  if (size > 1 || only === undefined) return false;
  // The last action, a step of the server or an alarm, may have waited longer than the failure needs.
  if (await improve([...before, LAST_ACTION, ...after])) return true;
  return only > 1 && (await improve([...before, only - 1, ...after]));
}

function isShorter(a: Shrinkable, b: Shrinkable): boolean {
  if (a.length !== b.length) return a.length < b.length;
  return weigh(a.decisions) < weigh(b.decisions);
}

/** Default decisions weigh nothing; every other decision weighs 1,000 and the distance of its index from the default. */
function weigh(decisions: readonly Decision[]): number {
  return decisions.reduce((sum, decision) => sum + (decision === 0 ? 0 : 1_000 + Math.abs(decision)), 0);
}
