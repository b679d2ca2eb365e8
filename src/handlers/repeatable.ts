/** `init` of a handler with a state, which runs again after a failure, or after a run that took too long. */

/** @param keep takes the state of the last run alone: an earlier run may end later */
export function repeatable(init: () => unknown, keep: (state: unknown) => void): () => Promise<void> {
  let runs = 0;
  return async () => {
    const run = ++runs;
    const state = await init();
    if (run === runs) keep(state);
  };
}
