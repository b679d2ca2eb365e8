/**
 * Runs a callback after the present call. `queueMicrotask` is not used: the fake timers of test runners replace the function, and a client
 * closed in such a test would never end.
 */
export function soon(run: () => void): void {
  Promise.resolve().then(run);
}
