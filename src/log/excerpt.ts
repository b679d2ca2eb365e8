/**
 * Excerpts of thrown values and of data from peers: for `stats().failures`, which keeps excerpts (`actors/route/route.ts`), and for
 * the lines of the log (`log.ts`). Excerpts are short copies, so that a short beginning never keeps a large value alive.
 * A thrown value may be anything, and no function here throws.
 */
import { types } from "node:util";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";

/** How much of an error is copied, in bytes. */
interface Limits {
  readonly message: number;
  /** The stack, including the message at its top. */
  readonly stack: number;
  /** The part of the message that is repeated at the top of the stack. */
  readonly stackMessage: number;
  /** The number of causes that are copied, and of the errors of an `AggregateError`. */
  readonly causes: number;
}

/** For `stats().failures`. */
const STATS_LIMITS: Limits = { message: 1_024, stack: 4_096, stackMessage: 256, causes: 0 };
/** For an error in a line of the log: with the rest of the line about 2 KB. */
const LOG_LIMITS: Limits = { message: 640, stack: 1_024, stackMessage: 128, causes: 2 };
/** For a cause in a line of the log: without a stack. */
const CAUSE_LIMITS: Limits = { message: 128, stack: 0, stackMessage: 0, causes: 0 };

/** The limit of an error's name, and of its code. */
const MAX_NAME_BYTES = 64;
/** The limits of a detail of a line, and of a detail that is a list: bytes and number of the items. */
const MAX_DETAIL_BYTES = 512;
const MAX_ITEM_BYTES = 64;
const MAX_ITEMS = 8;

/** Classes that a copy keeps: the prototypes refer to nothing of the user's. */
const CLASSES: ReadonlySet<unknown> = new Set(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError, SendallError].map(
    ({ prototype }) => prototype,
  ),
);

/**
 * The beginning of a text, cut at a character, as a copy: a slice would keep the whole text alive.
 * @param maxBytes in UTF-8
 */
export function cutText(text: string, maxBytes: number): string {
  // The last character may be incomplete.
  return Buffer.from(text.slice(0, maxBytes))
    .toString("utf8", 0, maxBytes)
    .replace(/\ufffd$/, "");
}

/**
 * Copies a thrown value for `stats().failures`: an error's name, message, stack and code; a primitive value; a few words for the rest.
 */
export function copyThrown(thrown: unknown): unknown {
  if (isErrorLike(thrown)) return copyError(thrown, STATS_LIMITS);
  if (typeof thrown === "string") return cutText(thrown, STATS_LIMITS.message);
  if (thrown === null || ["undefined", "boolean", "number"].includes(typeof thrown)) return thrown;
  return cutText(show(thrown), STATS_LIMITS.message);
}

/** The details of a line unchanged, if every detail is short; otherwise a copy with the long details cut. */
export function shortenDetails(details: object): object {
  let shortened: Record<string, unknown> | undefined;
  for (const key in details) {
    const value: unknown = Reflect.get(details, key);
    const short = key === "err" ? shortenThrown(value) : shortenValue(value);
    if (short === value) continue;
    shortened ??= { ...details };
    shortened[key] = short;
  }
  return shortened ?? details;
}

/** The details of a line as copies that any serializer can read: for a logger that has thrown on the details themselves. */
export function copyDetails(details: object): object {
  const copies: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(details)) copies[key] = copyOf(value);
  return copies;
}

/** Keeps the error itself if its serialized form is short: serializers of the user's may know the class of the error. */
function shortenThrown(thrown: unknown): unknown {
  return isBrief(thrown, { text: 320, parts: 64, stacks: 4_096 }) ? thrown : copyOf(thrown);
}

function shortenValue(value: unknown): unknown {
  if (typeof value === "string") return cutDetail(value, MAX_DETAIL_BYTES);
  if (typeof value !== "object" || value === null) return value;
  return isBrief(value, { text: MAX_DETAIL_BYTES, parts: 64, stacks: 0 }) ? value : copyOf(value);
}

function copyOf(value: unknown): unknown {
  if (isErrorLike(value)) return copyError(value, LOG_LIMITS);
  if (typeof value === "string") return cutDetail(value, MAX_DETAIL_BYTES);
  if (value === undefined || typeof value === "number" || typeof value === "boolean") return value;
  const items = firstItems(value, MAX_ITEMS);
  return items?.map((item) => (typeof item === "string" ? cutDetail(item, MAX_ITEM_BYTES) : show(item))) ?? show(value);
}

/** The first items of a list; `undefined` for any other value. */
function firstItems(value: unknown, count: number): unknown[] | undefined {
  try {
    return Array.isArray(value) ? Array.from(value.slice(0, count)) : undefined;
  } catch {
    return undefined;
  }
}

/** Accepts errors of another realm, of libraries without an error class, and errors with an unreadable message. */
function isErrorLike(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return isError(value) || typeof readProperty(value, "message") === "string";
}

/** The limits of the serialized form of a value. */
interface Budget {
  text: number;
  /** Objects. */
  parts: number;
  stacks: number;
}

/** Whether the serialized form of a value is short, and serializing runs no user code. */
function isBrief(value: unknown, budget: Budget): boolean {
  if (typeof value === "string") return spend(budget, value);
  if (typeof value !== "object" || value === null) return true;
  try {
    if (--budget.parts < 0 || types.isProxy(value) || ArrayBuffer.isView(value) || "toJSON" in value) return false;
    if (Array.isArray(value) && value.length > budget.parts) return false;
    // A serializer may read inherited properties, too.
    for (const name in value) if (!Object.hasOwn(value, name)) return false;
    return Object.getOwnPropertyNames(value).every((name) => isBriefProperty(value, name, budget));
  } catch {
    return false;
  }
}

function isBriefProperty(of: object, name: string, budget: Budget): boolean {
  const { stack } = ERROR_PARTS;
  if (name === stack && typeof Reflect.get(of, stack) === "string") {
    budget.stacks -= String(Reflect.get(of, stack)).length;
    return budget.stacks >= 0;
  }
  const property = Object.getOwnPropertyDescriptor(of, name);
  if (property === undefined || property.get !== undefined) return false;
  return spend(budget, name in ERROR_PARTS ? "" : name) && isBrief(property.value, budget);
}

const ERROR_PARTS = { name: "name", message: "message", stack: "stack", cause: "cause" } as const;

function spend(budget: Budget, text: string): boolean {
  budget.text -= text.length > budget.text ? text.length : jsonBytes(text);
  return budget.text >= 0;
}

/** The length in JSON, where a control character takes six bytes. */
function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

/** Cuts a text to at most `maxBytes` in a line of the log. */
function cutDetail(text: string, maxBytes: number): string {
  if (text.length * 6 <= maxBytes || (text.length <= maxBytes && jsonBytes(text) <= maxBytes)) return text;
  const most = cutText(text, maxBytes - 3);
  return `${jsonBytes(most) <= maxBytes ? most : cutText(text, Math.floor(maxBytes / 6))}...`;
}

/** A copy of a thrown error that refers to nothing of the original. */
function copyError(thrown: object, limits: Limits): Error {
  const copy = createStacklessError();
  const cut = limits === STATS_LIMITS ? cutText : cutDetail;
  const said = readProperty(thrown, "message");
  const message = typeof said === "string" ? said : messageOf(thrown);
  const prototype = prototypeOf(thrown);
  const isKnown = prototype !== undefined && CLASSES.has(prototype);
  if (isKnown) Object.setPrototypeOf(copy, prototype);
  defineHidden(copy, "message", cut(message, limits.message));
  defineHidden(copy, "stack", cut(stackOf(thrown, message, limits), limits.stack));
  const name = cut(nameOf(thrown), MAX_NAME_BYTES);
  if (name !== copy.name) {
    copy.name = name;
    // Pino writes the name of the class, and the error's `name` only where there is no class.
    if (limits !== STATS_LIMITS && !isKnown) defineHidden(copy, "constructor", undefined);
  }
  const code = readProperty(thrown, "code");
  if (typeof code === "string") Object.assign(copy, { code: cut(code, MAX_NAME_BYTES) });
  else if (typeof code === "number") Object.assign(copy, { code });
  if (limits.causes > 0) copyCauses(thrown, copy, limits.causes);
  return copy;
}

/** Copies the first causes, each the cause of the error before, and the first errors of an `AggregateError`. */
function copyCauses(thrown: object, copy: Error, count: number): void {
  let cause = readProperty(thrown, "cause");
  let last = copy;
  for (let i = 0; i < count && isErrorLike(cause); i++) {
    const next = copyError(cause, CAUSE_LIMITS);
    defineHidden(last, "cause", next);
    last = next;
    cause = readProperty(cause, "cause");
  }
  const errors = firstItems(readProperty(thrown, "errors"), count);
  if (errors === undefined) return;
  const copies = errors.map((error) => (isErrorLike(error) ? copyError(error, CAUSE_LIMITS) : show(error)));
  defineHidden(copy, "errors", copies);
}

/** An error without stack frames: V8 keeps alive whatever the frames refer to. */
function createStacklessError(): Error {
  const { stackTraceLimit } = Error;
  // A program may have frozen `Error`.
  const isSet = Reflect.set(Error, "stackTraceLimit", 0);
  const error = new Error();
  if (isSet) Error.stackTraceLimit = stackTraceLimit;
  return error;
}

function defineHidden(on: Error, name: string, value: unknown): void {
  Object.defineProperty(on, name, { value, writable: true, configurable: true });
}

function prototypeOf(of: object): object | undefined {
  try {
    return Object.getPrototypeOf(of);
  } catch {
    return undefined;
  }
}

function nameOf(thrown: object): string {
  const name = readProperty(thrown, "name");
  if (typeof name === "string" && name !== "Error" && name !== "") return name;
  const made = readProperty(thrown, "constructor");
  const ofClass = typeof made === "function" ? readProperty(made, "name") : undefined;
  return typeof ofClass === "string" && ofClass !== "" && ofClass !== "Object" ? ofClass : "Error";
}

/** The stack with a cut message at its top: a long message would leave no room for the frames. */
function stackOf(thrown: object, message: string, limits: Limits): string {
  const stack = limits.stack === 0 ? "" : readProperty(thrown, "stack");
  if (typeof stack !== "string") return "";
  if (message.length <= limits.stackMessage) return stack;
  const at = stack.indexOf(message);
  const head = cutDetail(message, limits.stackMessage);
  return at < 0 ? stack : stack.slice(0, at) + head + stack.slice(at + message.length);
}
