/** Makes what a test fails with say where it came from: which event, of which connection. */
import { SendallError } from "../../api/errors.js";
import type { Failure } from "../../api/stats.js";
import { show } from "../../runtime/show.js";
import { isError, messageOf, readProperty } from "../../runtime/thrown.js";
import { originOf } from "../../runtime/unhandled-rejections.js";

/** What errors said before they were told where they come from. */
const messages = new WeakMap<Error, string>();

/** The handler's own error, whose message now ends with its event; what is no error becomes the cause of one. */
export function blame({ error, event, connection }: Failure, nameOf: (id: string) => string): Error {
  const whose = connection === undefined ? "" : ` of ${nameOf(connection)}`;
  const place = `${placeOf(event, error)}${whose}`;
  if (isError(error) && say(error, place)) return error;
  return new SendallError("HANDLER_FAILED", `the handler threw ${show(error)} (${place})`, { cause: error });
}

/** What a failure says in place of an event's type. */
const LEAKS: Readonly<Record<string, string>> = {
  rejection: "a rejection that nothing awaited",
  exception: "thrown after the call had returned",
};

function placeOf(event: string, error: unknown): string {
  if (event === "init" || event === "stop") return `in "${event}"`;
  const leak = LEAKS[event];
  if (leak === undefined) return `in the "${event}" event`;
  const origin = originOf(error);
  return `${leak}${origin === undefined ? "" : `, from the "${origin}" event`}`;
}

/** @returns `false` if the error cannot be changed */
function say(error: Error, place: string): boolean {
  const message = messages.get(error) ?? messageOf(error);
  const placed = message === "" ? `(${place})` : `${message} (${place})`;
  const stack = readProperty(error, "stack");
  if (!set(error, "message", placed)) return false;
  // Some test runners print the stack alone.
  if (typeof stack === "string" && stack.includes(message))
    set(
      error,
      "stack",
      stack.replace(message, () => placed),
    );
  messages.set(error, message);
  return true;
}

/** @returns `false` if it cannot be set, or cannot be read afterwards */
function set(error: Error, name: string, value: string): boolean {
  try {
    return Reflect.set(error, name, value) && Reflect.get(error, name) === value;
  } catch {
    return false;
  }
}
