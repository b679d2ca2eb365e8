/**
 * Leaks of user code, that is, failures after the call: rejections of promises that nothing awaits, and exceptions of timers, streams
 * and other callbacks. By default either would end the process. User code therefore runs in an async context that names the owner of
 * the event, and two listeners of the process, present while servers run, report each failure to the owner. A failure without an owner
 * takes the usual course.
 *
 * Node 20 and 22 lose the context in `queueMicrotask`: an exception thrown there ends the process, as in any program without Sendall.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers";
import type { Clock } from "./clock.js";
import type { Logger } from "./logger.js";

/** How code failed after the call: by a promise that nothing awaits, or by a throw outside the event's own call. */
export type LeakKind = "rejection" | "exception";

/**
 * The party to which leaks of its code are reported. Anything that the code has made and left behind (a timer, a pool) keeps the owner
 * alive, so an owner must refer to as little as possible.
 */
export interface LeakOwner {
  /** The clock of the server, which also identifies the server. */
  readonly clock: Clock;
  /** The id of the connection whose events the code handles; none for events of the handler itself. */
  readonly connection: string | undefined;
  /** The option whose code runs (`"authorize"`); absent for a handler. */
  readonly option?: string;
  /** The code runs for a reason that nobody on this node is charged for: failures are noted, and no more. */
  readonly isUncharged?: true;
  leaked(error: unknown, kind: LeakKind): void;
}

/** The owner of an option's code: a leak is logged and charged to no connection, like a throw of such code. */
export function optionOwner(option: string, clock: Clock, log: Pick<Logger, "error">): LeakOwner {
  return {
    clock,
    connection: undefined,
    option,
    leaked: (error, kind) => log.error({ err: error }, `${option} leaked ${kind === "exception" ? "an" : "a"} ${kind}`),
  };
}

/** An owner that refers to a target (a connection, a subscription) until `release`, at the end of the target. */
export class ReleasableOwner<T extends { readonly id: string }> implements LeakOwner {
  readonly clock: Clock;
  readonly connection: string;
  readonly #report: (error: unknown, kind: LeakKind, target: T | undefined) => void;
  #target: T | undefined;

  constructor(target: T, clock: Clock, report: (error: unknown, kind: LeakKind, target: T | undefined) => void) {
    this.clock = clock;
    this.connection = target.id;
    this.#report = report;
    this.#target = target;
  }

  leaked(error: unknown, kind: LeakKind): void {
    this.#report(error, kind, this.#target);
  }

  release(): void {
    this.#target = undefined;
  }
}

/** The context of running user code; timers, promises and callbacks inherit the context in which they were made. */
export interface RunContext {
  readonly owner: LeakOwner;
  /** The type of the event; `undefined` outside of events. */
  readonly event: string | undefined;
}

// The process has a single list of listeners, so every server in the process shares these variables.
/** The handler actor enters a context for each event itself: no call of this file stands on the road of a message. */
export const runContexts: AsyncLocalStorage<RunContext> = new AsyncLocalStorage<RunContext>();
/** The type of the event in which a leaked error began. */
const origins = new WeakMap<object, string>();
let watchers = 0;

/** Runs user code for `owner`, outside of events. */
export function runFor<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R, ...args: A): R {
  return runContexts.run({ owner, event: undefined }, code, ...args);
}

/** Wraps user code so that each call runs for `owner`. */
export function ownedBy<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R): (...args: A) => R {
  return (...args) => runFor(owner, code, ...args);
}

/** The context of the running code; `undefined` outside user code. */
export function currentRunContext(): RunContext | undefined {
  return runContexts.getStore();
}

/** The type of the event whose code has leaked the error, if known. */
export function originOf(error: unknown): string | undefined {
  return Object(error) === error ? origins.get(error as object) : undefined;
}

/** Watches for leaks until the returned function is called. */
export function watchLeaks(): () => void {
  if (watchers++ === 0) {
    process.on("unhandledRejection", rejectionListener);
    process.on("uncaughtException", exceptionListener);
  }
  let isWatching = true;
  return () => {
    if (!isWatching) return;
    isWatching = false;
    if (--watchers > 0) return;
    process.off("unhandledRejection", rejectionListener);
    process.off("uncaughtException", exceptionListener);
  };
}

let isWatchingBriefly = false;

/** Watches for leaks until every step queued by the present step has run: code may fail in the next tick after the last server has closed. */
export function watchLeaksBriefly(): void {
  if (isWatchingBriefly) return;
  isWatchingBriefly = true;
  const stop = watchLeaks();
  setImmediate(() => {
    isWatchingBriefly = false;
    stop();
  });
}

/** Marks the listeners of every copy of this package in the process; a copy recognizes the listeners of the others by the mark. */
const MARK = Symbol.for("sendall.leaks");

interface Mark {
  /** Whether the failed code runs for an owner of the copy that set the mark. */
  owns(): boolean;
  isWatching(): boolean;
}

const mark: Mark = { owns: () => runContexts.getStore() !== undefined, isWatching: () => watchers > 0 };
const rejectionListener = Object.assign(onRejection, { [MARK]: mark });
const exceptionListener = Object.assign(onException, { [MARK]: mark });

function onRejection(reason: unknown): void {
  const found = runContexts.getStore();
  if (found !== undefined) reportLeak(found, reason, "rejection");
  else if (doesNodeRaiseRejections() && isForNode("unhandledRejection", rejectionListener))
    leaveToNode(() => void Promise.reject(reason));
}

function onException(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const found = runContexts.getStore();
  if (found === undefined) {
    if (isForNode("uncaughtException", exceptionListener))
      leaveToNode(() => {
        throw error;
      });
    return;
  }
  // Under --unhandled-rejections=strict a rejection comes here first, and then to `onRejection`.
  if (origin === "uncaughtException") reportLeak(found, error, "exception");
}

function reportLeak({ owner, event }: RunContext, error: unknown, kind: LeakKind): void {
  if (event !== undefined && Object(error) === error) origins.set(error as object, event);
  owner.leaked(error, kind);
}

type LeakEvent = "unhandledRejection" | "uncaughtException";

function markOf(listener: unknown): Mark | undefined {
  if (typeof listener !== "function" || !(MARK in listener)) return undefined;
  return isMark(listener[MARK]) ? listener[MARK] : undefined;
}

function isMark(value: unknown): value is Mark {
  return typeof value === "object" && value !== null && "owns" in value && "isWatching" in value;
}

/** Whether no copy of this package owns the failure, the program has no listener to decide, and `listener` is the first, which acts. */
function isForNode(event: LeakEvent, listener: unknown): boolean {
  const listeners: unknown[] = process.listeners(event as "uncaughtException");
  return listeners[0] === listener && listeners.every((other) => markOf(other)?.owns() === false);
}

/** Lets Node handle the failure that `raise` causes: with a listener of Sendall present, Node would not. */
function leaveToNode(raise: () => void): void {
  const events: readonly LeakEvent[] = ["unhandledRejection", "uncaughtException"];
  const ownListeners = events.flatMap((event) =>
    process
      .listeners(event as "uncaughtException")
      .filter((listener) => markOf(listener) !== undefined)
      .map((listener) => ({ event: event as "uncaughtException", listener })),
  );
  for (const { event, listener } of ownListeners) process.off(event, listener);
  process.nextTick(raise);
  // Another listener of the program may have kept the process alive.
  setImmediate(() => {
    for (const { event, listener } of ownListeners) if (markOf(listener)?.isWatching()) process.on(event, listener);
  });
}

/** Whether Node raises unhandled rejections; the program may have been told to warn instead, or to do nothing. */
function doesNodeRaiseRejections(): boolean {
  const flags = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`;
  return !/--unhandled-rejections[= ](?:none|warn)\b/.test(flags);
}
