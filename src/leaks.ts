/**
 * Rejections that a handler leaks: of promises that it made and neither awaited nor returned. Left alone they end the process.
 * The user's code runs in an async context that names whose event it was, and one listener of the process, there while servers
 * run, hands such a rejection to its owner. What belongs to nobody here takes its usual course.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Told of a rejection that code run for it has leaked. */
export interface LeakOwner {
  leaked(error: unknown): void;
}

// The process has one list of listeners, so this is shared by all servers in it.
const owners = new AsyncLocalStorage<LeakOwner>();
let watching = 0;

/** Runs the user's code for `owner`. */
export function runFor<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R, ...args: A): R {
  return owners.run(owner, code, ...args);
}

/** Watches for leaks until the returned function is called. */
export function watchLeaks(): () => void {
  if (watching++ === 0) process.on("unhandledRejection", onRejection);
  let isWatching = true;
  return () => {
    if (!isWatching) return;
    isWatching = false;
    if (--watching === 0) process.off("unhandledRejection", onRejection);
  };
}

function onRejection(reason: unknown): void {
  const owner = owners.getStore();
  if (owner !== undefined) owner.leaked(reason);
  // A listener keeps Node from raising it: as the only one, we do it in its place.
  else if (process.listenerCount("unhandledRejection") === 1) throw reason;
}
