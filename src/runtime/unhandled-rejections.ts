/**
 * What the user's code leaves behind and fails later: rejections of promises that nothing awaits, and exceptions of timers, streams and
 * other callbacks. Left alone, either ends the process. The user's code runs in an async context that names the owner of the event, and
 * two listeners of the process, present while servers run, hand what fails to that owner. What has no owner here takes its usual course.
 *
 * Node 20 and 22 lose the context in `queueMicrotask`: an exception thrown there ends the process, as it would without this file.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.js";
import type { Logger } from "./logger.js";

/** How left-behind code failed: by a promise that nothing awaits, or by a throw outside the event's own call. */
export type LeakKind = "rejection" | "exception";

/**
 * Told of what code run for this owner has leaked. Whatever that code has made and left behind (a timer, a pool) keeps the owner
 * for as long as itself, so an owner must not hold on to more than it has to.
 */
export interface LeakOwner {
  /** That of its server, which it names. */
  readonly clock: Clock;
  /** Whose events they are; none for those of the handler itself. */
  readonly connection: string | undefined;
  /** Names the option whose code runs (`"authorize"`); absent for a handler. */
  readonly option?: string;
  leaked(error: unknown, kind: LeakKind): void;
}

/** The owner of code that is no handler's: a leak is logged and charged to nobody, as a throw of such code is. */
export function optionOwner(option: string, clock: Clock, log: Pick<Logger, "error">): LeakOwner {
  return {
    clock,
    connection: undefined,
    option,
    leaked: (error, kind) => log.error({ err: error }, `${option} leaked ${kind === "exception" ? "an" : "a"} ${kind}`),
  };
}

/** An owner that is told who it is for, until that one has ended. */
export class ReleasableOwner<T extends { readonly id: string }> implements LeakOwner {
  readonly clock: Clock;
  readonly connection: string;
  readonly #report: (error: unknown, kind: LeakKind, whose: T | undefined) => void;
  #whose: T | undefined;

  constructor(whose: T, clock: Clock, report: (error: unknown, kind: LeakKind, whose: T | undefined) => void) {
    this.clock = clock;
    this.connection = whose.id;
    this.#report = report;
    this.#whose = whose;
  }

  leaked(error: unknown, kind: LeakKind): void {
    this.#report(error, kind, this.#whose);
  }

  release(): void {
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
export const handlerContext: AsyncLocalStorage<Running> = new AsyncLocalStorage<Running>();
/** In which event what was leaked began. */
const origins = new WeakMap<object, string>();
let watching = 0;

/** Runs the user's code for `owner`, outside of events. */
export function runFor<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R, ...args: A): R {
  return handlerContext.run({ owner, event: undefined }, code, ...args);
}

/** The same code, run for `owner` at each call. */
export function ownedBy<A extends unknown[], R>(owner: LeakOwner, code: (...args: A) => R): (...args: A) => R {
  return (...args) => runFor(owner, code, ...args);
}

/** Whose code this is; `undefined` if it is no handler's. */
export function whoRuns(): Running | undefined {
  return handlerContext.getStore();
}

/** The type of the event whose code has leaked this error, if one is known. */
export function originOf(error: unknown): string | undefined {
  return Object(error) === error ? origins.get(error as object) : undefined;
}

/** Watches for leaks until the returned function is called. */
export function watchLeaks(): () => void {
  if (watching++ === 0) {
    process.on("unhandledRejection", rejectionListener);
    process.on("uncaughtException", exceptionListener);
  }
  let isWatching = true;
  return () => {
    if (!isWatching) return;
    isWatching = false;
    if (--watching > 0) return;
    process.off("unhandledRejection", rejectionListener);
    process.off("uncaughtException", exceptionListener);
  };
}

/** Known to other copies of this package in the process, which put the same on their listeners. */
const MARK = Symbol.for("sendall.leaks");

interface Mark {
  /** Whether the code that has failed runs for an owner of that copy. */
  owns(): boolean;
  isWatching(): boolean;
}

const mark: Mark = { owns: () => handlerContext.getStore() !== undefined, isWatching: () => watching > 0 };
const rejectionListener = Object.assign(onRejection, { [MARK]: mark });
const exceptionListener = Object.assign(onException, { [MARK]: mark });

function onRejection(reason: unknown): void {
  const found = handlerContext.getStore();
  if (found !== undefined) hand(found, reason, "rejection");
  else if (isRaised() && isLeftToNode("unhandledRejection", rejectionListener))
    standAside(() => void Promise.reject(reason));
}

function onException(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const found = handlerContext.getStore();
  if (found === undefined) {
    if (isLeftToNode("uncaughtException", exceptionListener))
      standAside(() => {
        throw error;
      });
    return;
  }
  // A rejection comes here first under --unhandled-rejections=strict, and then to its own listener.
  if (origin === "uncaughtException") hand(found, error, "exception");
}

function hand({ owner, event }: Running, error: unknown, kind: LeakKind): void {
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

/** Whether no copy of this package owns what has failed, no listener of the program decides, and this listener is the one to act. */
function isLeftToNode(event: LeakEvent, listener: unknown): boolean {
  const listeners: unknown[] = process.listeners(event as "uncaughtException");
  return listeners[0] === listener && listeners.every((other) => markOf(other)?.owns() === false);
}

/** Lets Node take its usual course with what `raise` brings up: a listener of ours would keep Node from it. */
function standAside(raise: () => void): void {
  const events: readonly LeakEvent[] = ["unhandledRejection", "uncaughtException"];
  const ours = events.flatMap((event) =>
    process
      .listeners(event as "uncaughtException")
      .filter((listener) => markOf(listener) !== undefined)
      .map((listener) => ({ event: event as "uncaughtException", listener })),
  );
  for (const { event, listener } of ours) process.off(event, listener);
  process.nextTick(raise);
  // Another listener of the program may have kept the process alive.
  setImmediate(() => {
    for (const { event, listener } of ours) if (markOf(listener)?.isWatching()) process.on(event, listener);
  });
}

/** Whether Node would raise a rejection that nothing listens to; the program may have been told to warn, or to do nothing. */
function isRaised(): boolean {
  const flags = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`;
  return !/--unhandled-rejections[= ](?:none|warn)\b/.test(flags);
}
