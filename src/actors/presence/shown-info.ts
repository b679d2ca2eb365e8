/** What connections show: checked, copied and frozen, so that an info can be shared by lists, events and notices. */
import { SendallError } from "../../api/errors.js";
import type { Json } from "../../api/json.js";
import { show } from "../../runtime/show.js";
import { messageOf } from "../../runtime/thrown.js";

/** @returns a frozen copy. @throws SendallError `BAD_INFO` */
export function readInfo(what: string, info: unknown, maxBytes: number): Json {
  const text = textOf(what, info);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes)
    throw new SendallError(
      "BAD_INFO",
      `${what}: expected at most ${maxBytes} bytes of JSON (presence.maxInfoBytes), got ${bytes}`,
    );
  return frozen(JSON.parse(text));
}

/** Whether two infos are the same, as JSON. */
export function isSameInfo(a: Json, b: Json): boolean {
  return a === b || (typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b));
}

function textOf(what: string, info: unknown): string {
  let text: string | undefined;
  let strange: unknown;
  try {
    text = JSON.stringify(info);
    // After `JSON.stringify`, since that call finds cycles.
    strange = text === undefined ? info : findStrange(info);
  } catch (error) {
    // Also of what is nested too deep.
    throw notJson(what, messageOf(error));
  }
  if (text === undefined || strange !== NONE) throw notJson(what, `got ${show(strange)}`);
  return text;
}

function notJson(what: string, problem: string): SendallError {
  const expected = "a value that JSON can carry (null, a boolean, a number, a string, a list or a plain object)";
  return new SendallError("BAD_INFO", `${what}: expected ${expected}: ${problem}`);
}

const NONE = Symbol("nothing strange");

/** Finds a value that JSON would leave out or turn into something else. A property that is `undefined` is as good as absent. */
function findStrange(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return NONE;
  if (typeof value === "number") return Number.isFinite(value) ? NONE : value;
  if (typeof value !== "object") return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null;
  if (!isPlain || "toJSON" in value) return value;
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    if (item === undefined && !Array.isArray(value)) continue;
    const strange = findStrange(item);
    if (strange !== NONE) return strange;
  }
  return NONE;
}

function frozen<T extends Json | undefined>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const item of Object.values(value)) frozen(item);
  return Object.freeze(value);
}
