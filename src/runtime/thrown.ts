/**
 * Reads values thrown by foreign code, which may be anything: an error whose getters throw, a revoked proxy. No function here throws.
 * Used wherever a failure is put into words: logs, the client, the command, the test runtime.
 */
import { show } from "./show.js";

/** A property; `undefined` if reading throws. */
export function readProperty(from: object, name: string): unknown {
  try {
    return Reflect.get(from, name);
  } catch {
    return undefined;
  }
}

/** `instanceof` asks a proxy for its prototype, and a proxy may throw. */
export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** The message of an error; a description of any other value. */
export function messageOf(thrown: unknown): string {
  if (!isError(thrown)) return show(thrown);
  const message = readProperty(thrown, "message");
  return typeof message === "string" ? message : "an error whose message cannot be read";
}
