import type { Clock } from "./clock.js";

/** What user code has returned: a promise of any kind, or the thing itself. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Resolves when `done` does, at the latest after `ms`. */
export function within(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, resolve);
    done.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
