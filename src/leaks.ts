/**
 * Rejections that a handler leaks: of promises that it made and neither awaited nor returned. Left alone they end the process.
 * The user's code runs in an async context that names whose event it was, and one listener of the process, there while servers
 * run, hands such a rejection to its owner. What belongs to nobody here takes its usual course.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.js";
import type { ConnectionId } from "./events.js";

/**
 * Told of a rejection that code run for it has leaked. Whatever that code has made and left behind (a timer, a pool) keeps this
 * object for as long as itself: it must not hold on to more than it has to.
 */
export interface LeakOwner {
  /** That of its server, which it names. */
  readonly clock: Clock;
  /** Whose events they are; none for those of the handler itself. */
  readonly connection: ConnectionId | undefined;
  leaked(error: unknown): void;
}

/** An owner that is told who it is for, until that one has ended. */
export class Forgetful<T extends { readonly id: ConnectionId }> implements LeakOwner {
  readonly clock: Clock;
  readonly connection: ConnectionId;
  readonly #report: (error: unknown, whose: T | undefined) => void;
  #whose: T | undefined;

  constructor(whose: T, clock: Clock, report: (error: unknown, whose: T | undefined) => void) {
    this.clock = clock;
    this.connection = whose.id;
    this.#report = report;
    this.#whose = whose;
  }

  leaked(error: unknown): void {
    this.#report(error, this.#whose);
  }

  forget(): void {
    this.#whose = undefined;
  }
}

/** For whom code of the user runs: at the moment, or when it set going what goes on now. */
export interface Running {
  readonly owner: LeakOwner;
  /** The type of the event; `undefined` outside of events. */
  readonly event: string | undefined;
}

// The process has one list of listeners, so this is shared by all servers in it.
const running = new AsyncLocalStorage<Running>();
/** In which event what was leaked began. */
const origins = new WeakMap<object, string>();
let watching = 0;

/** Runs the user's code for `owner`, outside of events. */
export function runFor<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R, ...args: A): R {
  return running.run({ owner, event: undefined }, code, ...args);
}

/** Runs the user's code for an event of `owner`. */
export function runEvent<E extends { readonly type: string }, A extends unknown[], R>(
  owner: LeakOwner,
  code: (event: E, ...args: A) => R,
  event: E,
  ...args: A
): R {
  return running.run({ owner, event: event.type }, code, event, ...args);
}

/** Whose code this is; `undefined` if it is no handler's. */
export function whoRuns(): Running | undefined {
  return running.getStore();
}

/** The type of the event whose code has leaked this rejection, if one is known. */
export function originOf(error: unknown): string | undefined {
  return Object(error) === error ? origins.get(error as object) : undefined;
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
  const found = running.getStore();
  if (found?.event !== undefined && Object(reason) === reason) origins.set(reason as object, found.event);
  if (found !== undefined) found.owner.leaked(reason);
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
