/**
 * Excerpts of what users have thrown and peers have sent: for `stats().failures`, which keeps them (`actors/route.ts`), and for
 * the lines of the log (`log.ts`). They are short and they are copies, so that nothing large stays alive for its beginning.
 * What was thrown may be anything, and nothing here throws.
 */
import { types } from "node:util";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";

/** How much of an error is copied, in bytes. */
interface Limits {
  readonly message: number;
  /** The stack, together with the message that it begins with. */
  readonly stack: number;
  /** So much of the message is repeated at the top of the stack. */
  readonly head: number;
  /** How many of its causes, and of the errors of an `AggregateError`, are copied. */
  readonly others: number;
}

/** What `stats().failures` keeps of a failure. */
const KEPT: Limits = { message: 1_024, stack: 4_096, head: 256, others: 0 };
/** What one line of the log tells of an error: with the rest of the line about 2 KB. */
const TOLD: Limits = { message: 640, stack: 1_024, head: 128, others: 2 };
/** Likewise of a cause: its stack is left out. */
const TOLD_OF_OTHERS: Limits = { message: 128, stack: 0, head: 0, others: 0 };

/** Of its name, and of its code. */
const MAX_NAME_BYTES = 64;
/** What one detail of a line may be long, and each item of a list. */
const MAX_DETAIL_BYTES = 512;
const MAX_ITEM_BYTES = 64;
const MAX_ITEMS = 8;

/** Classes that a copy keeps: their prototypes hold nothing of the user's. */
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
  // The last character may be half there.
  return Buffer.from(text.slice(0, maxBytes))
    .toString("utf8", 0, maxBytes)
    .replace(/\ufffd$/, "");
}

/** What is kept of something thrown: an error's name, message, stack and code; primitive values; of all else a few words. */
export function keepThrown(thrown: unknown): unknown {
  if (isErrorLike(thrown)) return copyError(thrown, KEPT);
  if (typeof thrown === "string") return cutText(thrown, KEPT.message);
  if (thrown === null || ["undefined", "boolean", "number"].includes(typeof thrown)) return thrown;
  return cutText(show(thrown), KEPT.message);
}

/** The details of a line as they are, if all of them are short; else a copy. */
export function tellDetails(details: object): object {
  let told: Record<string, unknown> | undefined;
  for (const key in details) {
    const value: unknown = Reflect.get(details, key);
    const short = key === "err" ? tellThrown(value) : tellValue(value);
    if (short === value) continue;
    told ??= { ...details };
    told[key] = short;
  }
  return told ?? details;
}

/** The details of a line as copies that any serializer can read: for a logger that has thrown at the details themselves. */
export function tellPlainly(details: object): object {
  const told: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(details)) told[key] = copyOf(value);
  return told;
}

/** An error itself goes into the log if what a serializer makes of it is short: serializers of the user's may know its class. */
function tellThrown(thrown: unknown): unknown {
  return isBrief(thrown, { text: 320, parts: 64, stacks: 4_096 }) ? thrown : copyOf(thrown);
}

function tellValue(value: unknown): unknown {
  if (typeof value === "string") return cutDetail(value, MAX_DETAIL_BYTES);
  if (typeof value !== "object" || value === null) return value;
  return isBrief(value, { text: MAX_DETAIL_BYTES, parts: 64, stacks: 0 }) ? value : copyOf(value);
}

function copyOf(value: unknown): unknown {
  if (isErrorLike(value)) return copyError(value, TOLD);
  if (typeof value === "string") return cutDetail(value, MAX_DETAIL_BYTES);
  if (value === undefined || typeof value === "number" || typeof value === "boolean") return value;
  const items = firstOf(value, MAX_ITEMS);
  return items?.map((item) => (typeof item === "string" ? cutDetail(item, MAX_ITEM_BYTES) : show(item))) ?? show(value);
}

/** The first items of a list; `undefined` for what is none. */
function firstOf(value: unknown, count: number): unknown[] | undefined {
  try {
    return Array.isArray(value) ? Array.from(value.slice(0, count)) : undefined;
  } catch {
    return undefined;
  }
}

/** Also those of another realm, of libraries that do without the class, and those whose message cannot be read. */
function isErrorLike(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return isError(value) || typeof readProperty(value, "message") === "string";
}

/** How much a serializer may make of a value. */
interface Budget {
  text: number;
  /** Objects. */
  parts: number;
  stacks: number;
}

/** Whether what a serializer makes of it is short, and made without running the user's code. */
function isBrief(value: unknown, budget: Budget): boolean {
  if (typeof value === "string") return spend(budget, value);
  if (typeof value !== "object" || value === null) return true;
  try {
    if (--budget.parts < 0 || types.isProxy(value) || ArrayBuffer.isView(value) || "toJSON" in value) return false;
    if (Array.isArray(value) && value.length > budget.parts) return false;
    // What an error inherits may be read, too.
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
  budget.text -= text.length > budget.text ? text.length : bytesInLine(text);
  return budget.text >= 0;
}

/** In JSON, where a control character takes six. */
function bytesInLine(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

/** Cut to so many bytes of a line. */
function cutDetail(text: string, maxBytes: number): string {
  if (text.length * 6 <= maxBytes || (text.length <= maxBytes && bytesInLine(text) <= maxBytes)) return text;
  const most = cutText(text, maxBytes - 3);
  return `${bytesInLine(most) <= maxBytes ? most : cutText(text, Math.floor(maxBytes / 6))}...`;
}

/** An error of its own, that holds on to nothing of the one that was thrown. */
function copyError(thrown: object, limits: Limits): Error {
  const copy = createError();
  const cut = limits === KEPT ? cutText : cutDetail;
  const said = readProperty(thrown, "message");
  const message = typeof said === "string" ? said : messageOf(thrown);
  const prototype = prototypeOf(thrown);
  const isKnown = prototype !== undefined && CLASSES.has(prototype);
  if (isKnown) Object.setPrototypeOf(copy, prototype);
  define(copy, "message", cut(message, limits.message));
  define(copy, "stack", cut(stackOf(thrown, message, limits), limits.stack));
  const name = cut(nameOf(thrown), MAX_NAME_BYTES);
  if (name !== copy.name) {
    copy.name = name;
    // Pino takes the name of the class, and the name itself where there is no class.
    if (limits !== KEPT && !isKnown) define(copy, "constructor", undefined);
  }
  const code = readProperty(thrown, "code");
  if (typeof code === "string") Object.assign(copy, { code: cut(code, MAX_NAME_BYTES) });
  else if (typeof code === "number") Object.assign(copy, { code });
  if (limits.others > 0) copyOthers(thrown, copy, limits.others);
  return copy;
}

/** The first causes, each the cause of the one before, and the first of an `AggregateError`'s errors. */
function copyOthers(thrown: object, copy: Error, count: number): void {
  let cause = readProperty(thrown, "cause");
  let last = copy;
  for (let i = 0; i < count && isErrorLike(cause); i++) {
    const next = copyError(cause, TOLD_OF_OTHERS);
    define(last, "cause", next);
    last = next;
    cause = readProperty(cause, "cause");
  }
  const errors = firstOf(readProperty(thrown, "errors"), count);
  if (errors === undefined) return;
  const copies = errors.map((one) => (isErrorLike(one) ? copyError(one, TOLD_OF_OTHERS) : show(one)));
  define(copy, "errors", copies);
}

/** Without the frames of this place: V8 keeps what they refer to. */
function createError(): Error {
  const { stackTraceLimit } = Error;
  // A program may have frozen it.
  const isSet = Reflect.set(Error, "stackTraceLimit", 0);
  const error = new Error();
  if (isSet) Error.stackTraceLimit = stackTraceLimit;
  return error;
}

function define(on: Error, name: string, value: unknown): void {
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

/** A long message at its top would leave no room for where it happened. */
function stackOf(thrown: object, message: string, limits: Limits): string {
  const stack = limits.stack === 0 ? "" : readProperty(thrown, "stack");
  if (typeof stack !== "string") return "";
  if (message.length <= limits.head) return stack;
  const at = stack.indexOf(message);
  const head = cutDetail(message, limits.head);
  return at < 0 ? stack : stack.slice(0, at) + head + stack.slice(at + message.length);
}
