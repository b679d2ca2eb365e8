/**
 * Reads what somebody's code has thrown, which may be anything: an error whose getters throw, a proxy that was revoked. Nothing
 * here throws. Asked by whatever words a failure: logs, the client, the command, the test runtime.
 */
import { show } from "./show.js";

/** A property; `undefined` if it cannot be read. */
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

/** What an error says; of what is no error, what it is. */
export function messageOf(thrown: unknown): string {
  if (!isError(thrown)) return show(thrown);
  const message = readProperty(thrown, "message");
  return typeof message === "string" ? message : "an error whose message cannot be read";
}
