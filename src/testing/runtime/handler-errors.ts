/**
 * The errors with which a test runtime reports on the handler. Each error names the event and the connection, so a failed test says what
 * has failed.
 */
import type { UnfinishedEvent } from "../../actors/route/observer.js";
import { SendallError } from "../../api/errors.js";
import type { Failure } from "../../api/stats.js";
import { show } from "../../runtime/show.js";
import { isError, messageOf, readProperty } from "../../runtime/thrown.js";
import { originOf } from "../../runtime/unhandled-rejections.js";

/** The messages of errors before the origin was added. */
const originalMessages = new WeakMap<Error, string>();

/** The handler's own error, whose message now ends with the origin; a value that is no error becomes the cause of an error. */
export function withOrigin({ error, event, connection }: Failure, nameOf: (id: string) => string): Error {
  const whose = connection === undefined ? "" : ` of ${nameOf(connection)}`;
  const origin = `${placeOf(event, error)}${whose}`;
  if (isError(error) && appendToMessage(error, origin)) return error;
  return new SendallError("HANDLER_FAILED", `the handler threw ${show(error)} (${origin})`, { cause: error });
}

/** The error for a handler that does not finish, and waits for something outside the runtime. */
export function notSettled(unfinished: readonly UnfinishedEvent[], nameOf: (id: string) => string): SendallError {
  const events = unfinished.map(({ event, connection }) => {
    if (event === "init") return `"init"`;
    return connection === undefined ? `"${event}" event` : `"${event}" event of ${nameOf(connection)}`;
  });
  return new SendallError(
    "NOT_SETTLED",
    `the handler has not finished its ${events.join(", ")}, and waits for something outside the test runtime`,
  );
}

/** Failures outside of any event's call, by `Failure.event`. */
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
function appendToMessage(error: Error, origin: string): boolean {
  const message = originalMessages.get(error) ?? messageOf(error);
  const extended = message === "" ? `(${origin})` : `${message} (${origin})`;
  const stack = readProperty(error, "stack");
  if (!trySet(error, "message", extended)) return false;
  // Some test runners print only the stack, which begins with a copy of the message.
  if (typeof stack === "string" && stack.includes(message))
    trySet(
      error,
      "stack",
      stack.replace(message, () => extended),
    );
  originalMessages.set(error, message);
  return true;
}

/** @returns `false` if the property cannot be set, or cannot be read afterwards */
function trySet(error: Error, name: string, value: string): boolean {
  try {
    return Reflect.set(error, name, value) && Reflect.get(error, name) === value;
  } catch {
    return false;
  }
}
