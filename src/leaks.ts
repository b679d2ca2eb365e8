/**
 * Rejections that a handler leaks: of promises that it made and neither awaited nor returned. Left alone they end the process.
 * The user's code runs in an async context that names whose event it was, and one listener of the process, there while servers
 * run, hands such a rejection to its owner. What belongs to nobody here takes its usual course.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Told of a rejection that code run for it has leaked. Whatever that code has made and left behind (a timer, a pool) keeps this
 * object for as long as itself: it must not hold on to more than it has to.
 */
export interface LeakOwner {
  leaked(error: unknown): void;
}

/** An owner that is told who it is for, until that one has ended. */
export class Forgetful<T> implements LeakOwner {
  #whose: T | undefined;
  readonly #report: (error: unknown, whose: T | undefined) => void;

  constructor(whose: T, report: (error: unknown, whose: T | undefined) => void) {
    this.#whose = whose;
    this.#report = report;
  }

  leaked(error: unknown): void {
    this.#report(error, this.#whose);
  }

  forget(): void {
    this.#whose = undefined;
  }
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
  if (watching++ === 0) process.on("unhandledRejection", listener);
  let isWatching = true;
  return () => {
    if (!isWatching) return;
    isWatching = false;
    if (--watching === 0) process.off("unhandledRejection", listener);
  };
}

/** Known to other copies of this package in the process. */
const MARK = Symbol.for("sendall.leaks");

const listener = Object.assign(onRejection, { [MARK]: true });

function onRejection(reason: unknown): void {
  const owner = owners.getStore();
  if (owner !== undefined) owner.leaked(reason);
  // A listener keeps Node from raising it: where there are none but ours, the first of them does so in its place.
  else if (isRaised() && isFirstAmongOurs()) throw reason;
}

function isFirstAmongOurs(): boolean {
  const listeners: unknown[] = process.listeners("unhandledRejection");
  return listeners[0] === listener && listeners.every((one) => typeof one === "function" && MARK in one);
}

/** Whether Node would raise a rejection that nobody listens to; the program may have been told to warn, or to do nothing. */
function isRaised(): boolean {
  const flags = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`;
  return !/--unhandled-rejections[= ](?:none|warn)\b/.test(flags);
}
