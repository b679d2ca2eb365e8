/** What the value of an option may be: the kinds that `settings.ts` puts its table together from. */
import { statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { dirname, resolve } from "node:path";
import type { TlsOptions } from "node:tls";
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import { type Handler, ShapedHandler } from "../api/handler.js";
import type { Logger } from "../runtime/logger.js";

/** One option: its default, and what it has to be. */
export interface Option<T> {
  readonly scope: "server" | "route";
  readonly default: T;
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
}

export const MIB: number = 1_048_576;
/** Longer than any sensible wait, short enough to be added to a date. */
export const MAX_MS: number = 2 ** 40;
/** The longest wait of a native timer, which counts in 32 bits and takes a longer one for none: for what waits beside our clock. */
export const MAX_NATIVE_MS: number = 2 ** 31 - 1;

export function whole(
  scope: Option<number>["scope"],
  preset: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): Option<number> {
  const expected =
    max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  const accepts = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
  return { scope, default: preset, expected, accepts };
}

export function duration(scope: Option<number>["scope"], preset: number, max: number = MAX_MS): Option<number> {
  const range = max === MAX_MS ? "from 1" : `from 1 to ${max}`;
  return { ...whole(scope, preset, 1, max), expected: `a whole number of milliseconds ${range}` };
}

export function text(scope: Option<string>["scope"], preset: string): Option<string> {
  const accepts = (value: unknown): value is string => typeof value === "string" && value !== "";
  return { scope, default: preset, expected: "a string that is not empty", accepts };
}

export function oneOf<const T extends string>(scope: Option<T>["scope"], ...words: readonly [T, ...T[]]): Option<T> {
  const accepts = (value: unknown): value is T => words.some((word) => word === value);
  return { scope, default: words[0], expected: words.map((word) => `"${word}"`).join(" or "), accepts };
}

export function flag(scope: Option<boolean>["scope"], preset: boolean): Option<boolean> {
  return { scope, default: preset, expected: "true or false", accepts: (value) => typeof value === "boolean" };
}

export function orFalse<T>(option: Option<T>): Option<T | false> {
  const accepts = (value: unknown): value is T | false => value === false || option.accepts(value);
  return { ...option, default: false, expected: `${option.expected}, or false`, accepts };
}

export function optional<T>(option: Option<T>): Option<T | undefined> {
  return { ...option, default: undefined, accepts: (value): value is T | undefined => option.accepts(value) };
}

function isAny(value: unknown): value is "same" | "any" {
  return value === "same" || value === "any";
}

/** Schemes that no page has: a WebSocket's own, and those of files to load or to run. */
const NO_PAGE = /^(?:wss?|ftp|file|blob|data|javascript|about|mailto):/;

/** A host that a page can have: none with a part that stands for others (`*.example.com`, `.example.com`). */
const PAGE_HOST = /^(?!\.)[^*]+$/;

/** An origin as a browser writes it: scheme, host and port. Pages of apps and extensions have schemes of their own. */
function isOrigin(value: unknown): value is string {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, host } = new URL(value);
  // Not `URL.origin`, which knows no scheme of apps and extensions.
  return PAGE_HOST.test(host) && !NO_PAGE.test(protocol) && `${protocol}//${host}` === value;
}

export function isOrigins(value: unknown): value is "same" | "any" | readonly string[] {
  return isAny(value) || (Array.isArray(value) && value.every(isOrigin));
}

/** A token (RFC 9110 section 5.6.2). */
export function isProtocols(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.every((name) => typeof name === "string" && /^[!#$%&'*+\-.^_`|~\w]+$/.test(name))
  );
}

export function isFunction<F>(value: unknown): value is F {
  return typeof value === "function";
}

export function isTrust(value: unknown): value is boolean | number {
  return typeof value === "boolean" || (typeof value === "number" && Number.isInteger(value) && value >= 0);
}

export function isFolder(value: unknown): value is string {
  try {
    return typeof value === "string" && statSync(value).isDirectory();
  } catch {
    return false;
  }
}

/** The whole file system: nobody's to serve, and sirv would find nothing in it. */
export function isRoot(folder: string): boolean {
  return dirname(resolve(folder)) === resolve(folder);
}

export function isLogger(value: unknown): value is Logger | false | undefined {
  if (value === false) return true;
  if (typeof value !== "object" || value === null) return false;
  const methods = new Map<string, unknown>(
    ["debug", "info", "warn", "error", "child"].map((name) => [name, Reflect.get(value, name)]),
  );
  return [...methods.values()].every((method) => typeof method === "function");
}

export function isAdapter(value: unknown): value is ClusterAdapter {
  return isRecord(value) && typeof value.name === "string" && typeof value.open === "function";
}

/** A name or an address alone: no URL, no port, no brackets. */
export function isHost(value: unknown): value is string {
  return typeof value === "string" && (/^[^\s\p{Cc}:/?#@[\]*]+$/u.test(value) || isIPv6(value));
}

/** What a page can load a script from: an address, or a path. */
export function isScriptUrl(value: unknown): value is string {
  if (typeof value !== "string") return false;
  return value.startsWith("/")
    ? URL.canParse(value, "http://page.example")
    : /^https?:/.test(value) && URL.canParse(value);
}

export function isTls(value: unknown): value is TlsOptions {
  return isRecord(value);
}

/** Whether it is one of the shapes of a handler. */
export function isHandler(value: unknown): value is Handler {
  if (typeof value === "function" || value instanceof ShapedHandler) return true;
  if (typeof value !== "object" || value === null) return false;
  const hasMethod = (name: string): boolean => typeof Reflect.get(value, name) === "function";
  return hasMethod("init") && hasMethod("handle") && (Reflect.get(value, "stop") === undefined || hasMethod("stop"));
}

/** The accepted shapes of a handler, for error messages. */
export const HANDLER_SHAPES: string =
  "a function (event, bus) => void, an object { init(bus), handle(event, state, bus), stop?(state, bus) }, or what perConnection, fromLogic or channels has made";

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
