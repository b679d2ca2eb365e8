/** Shortens the decisions of a failing run: fewer steps, and where there is a choice the one that nobody would have to make. */
import { type Decision, LAST } from "./chooser.js";

/** A run that failed. */
export interface Failed {
  readonly decisions: readonly Decision[];
  /** How many lines its trace has. */
  readonly length: number;
}

/** So many runs are tried at most, and fewer where they are long. */
const MAX_TRIES = 400;
const MAX_DECISIONS = 100_000;

/** @param replay plays a run with these decisions; `undefined` if it does not fail @returns the shortest that was found */
export async function shrink<F extends Failed>(
  failed: F,
  replay: (decisions: readonly Decision[]) => Promise<F | undefined>,
): Promise<F> {
  let best = failed;
  let tries = 0;
  let played = 0;
  const isEnough = (): boolean => tries >= MAX_TRIES || played >= MAX_DECISIONS;
  const improve = async (decisions: readonly Decision[]): Promise<boolean> => {
    if (isEnough()) return false;
    tries++;
    played += best.decisions.length;
    const found = await replay(decisions);
    if (found === undefined || !isShorter(found, best)) return false;
    best = found;
    return true;
  };
  for (let hasImproved = true; hasImproved && !isEnough(); ) {
    hasImproved = false;
    // Large parts first: most decisions of a long run have nothing to do with its failure.
    for (let size = best.decisions.length; size >= 1; size = Math.floor(size / 2))
      for (let start = 0; start < best.decisions.length && !isEnough(); start += size)
        if (await shorten(best.decisions, start, size, improve)) hasImproved = true;
  }
  return best;
}

/** Without a part of the decisions, or with nobody deciding there. */
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
  // What is late may have had to wait for nobody.
  if (await improve([...before, LAST, ...after])) return true;
  return only > 1 && (await improve([...before, only - 1, ...after]));
}

function isShorter(one: Failed, other: Failed): boolean {
  if (one.length !== other.length) return one.length < other.length;
  return weigh(one.decisions) < weigh(other.decisions);
}

/** Decisions that somebody had to make weigh; late ones more than trailing ones that nobody had to. */
function weigh(decisions: readonly Decision[]): number {
  return decisions.reduce((sum, decision) => sum + (decision === 0 ? 0 : 1_000 + Math.abs(decision)), 0);
}
