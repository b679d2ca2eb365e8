/** Helpers for promises: of user code, which may be of any kind, and with a time limit. */
import type { Clock } from "./clock.js";

/** Tells a promise of any kind from a plain value that user code has returned. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Hears of a rejection where nothing awaits what user code has returned: a rejection without a handler would end the process. */
export function catchLater(value: unknown, onRejected: (error: unknown) => void = () => {}): void {
  if (isPromiseLike(value)) value.then(undefined, onRejected);
}

/** Resolves when `done` resolves, after `ms` at the latest. */
export function within(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, resolve);
    done.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
