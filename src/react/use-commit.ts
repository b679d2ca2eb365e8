/** The effect of a commit. Rendering starts nothing: what React renders and throws away leaves nothing behind, nor does a server. */
import { useImperativeHandle } from "react";

const ignore = (): void => {};

/**
 * Runs at each commit, together with layout effects, of children first. `useLayoutEffect` itself would make React 18 warn on a server, and a
 * check for a server would miss renderers that have no window, such as those of terminals.
 */
export function useCommit(run: () => void): void {
  useImperativeHandle(ignore, run);
}
