/** Checks of values which only options of servers have: origins, hosts, folders, handlers and so on. Serves the tables of `serve`. */
import { statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { dirname, resolve } from "node:path";
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import { type Handler, ShapedHandler } from "../api/handler.js";
import type { HistoryStore } from "../api/history-store.js";
import { isSessionName } from "../api/session-protocol.js";
import { descriptionOf } from "../protocol/describe-handler.js";
import type { Logger } from "../runtime/logger.js";
import { kindOfFunction } from "../runtime/show.js";
import { isRecord } from "./kinds.js";
import { normalPath } from "./route-path.js";

/** Schemes which no page has: the schemes of WebSockets, and schemes of files to load or to run. */
const NO_PAGE = /^(?:wss?|ftp|file|blob|data|javascript|about|mailto):/;

/** The host of a page, without a wildcard (`*.example.com`, `.example.com`). */
const PAGE_HOST = /^(?!\.)[^*]+$/;

/** An origin in the spelling of browsers: scheme, host and port. Pages of apps and extensions use further schemes. */
function isOrigin(value: unknown): value is string {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, host } = new URL(value);
  // Not `URL.origin`, which is "null" for the schemes of apps and extensions.
  return PAGE_HOST.test(host) && !NO_PAGE.test(protocol) && `${protocol}//${host}` === value;
}

export function isOrigins(value: unknown): value is "same" | "any" | readonly string[] {
  return value === "same" || value === "any" || (Array.isArray(value) && value.every(isOrigin));
}

/** A token (RFC 9110 section 5.6.2) that is a program's to use. */
function isProtocol(name: unknown): boolean {
  return typeof name === "string" && /^[!#$%&'*+\-.^_`|~\w]+$/.test(name) && !isSessionName(name);
}

export function isProtocols(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isProtocol);
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

/** The root of the file system: a server has no business there, and sirv would find no file in the root. */
export function isRoot(folder: string): boolean {
  return dirname(resolve(folder)) === resolve(folder);
}

export function isLogger(value: unknown): value is Logger | false {
  if (value === false) return true;
  if (typeof value !== "object" || value === null) return false;
  return ["debug", "info", "warn", "error", "child"].every((name) => typeof Reflect.get(value, name) === "function");
}

export function isAdapter(value: unknown): value is ClusterAdapter {
  return isRecord(value) && typeof value.name === "string" && typeof value.open === "function";
}

export function isHistoryStore(value: unknown): value is HistoryStore {
  if (!isRecord(value)) return false;
  const isFunction = (name: string): boolean => typeof value[name] === "function";
  const isAbsentOrFunction = (name: string): boolean => value[name] === undefined || isFunction(name);
  return ["append", "read", "trim", "close"].every(isFunction) && ["open", "subscribe"].every(isAbsentOrFunction);
}

/** A name or an address alone: no URL, no port, no brackets. */
export function isHost(value: unknown): value is string {
  return typeof value === "string" && (/^[^\s\p{Cc}:/?#@[\]*]+$/u.test(value) || isIPv6(value));
}

/** A path without parameters which a browser sends as a page writes the path, but for percent-encoding; not the path of a folder. */
export function isFilePath(value: unknown): value is string {
  if (typeof value !== "string" || /^[^/]|\/$|\/:|\*/.test(value) || !URL.canParse(value, "http://page.example"))
    return false;
  const { pathname, href } = new URL(value, "http://page.example");
  return href === `http://page.example${pathname}` && normalPath(pathname) === normalPath(value);
}

/** The address of a script for a page, or a path. */
export function isScriptUrl(value: unknown): value is string {
  if (typeof value !== "string") return false;
  return value.startsWith("/")
    ? URL.canParse(value, "http://page.example")
    : /^https?:/.test(value) && URL.canParse(value);
}

/** Whether the value has an accepted shape of a handler; see {@link HANDLER_SHAPES}. */
export function isHandler(value: unknown): value is Handler {
  if (typeof value === "function") return kindOfFunction(value) === "a function";
  if (value instanceof ShapedHandler || descriptionOf(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const hasMethod = (name: string): boolean => typeof Reflect.get(value, name) === "function";
  return hasMethod("init") && hasMethod("handle") && (Reflect.get(value, "stop") === undefined || hasMethod("stop"));
}

/** The accepted shapes of a handler, for error messages. */
export const HANDLER_SHAPES: string =
  "a function (event, bus) => void, an object { init(bus), handle(event, state, bus), stop?(state, bus) }, or what perConnection, fromLogic, channels or the handler of a protocol has made";
