/**
 * What a protocol says of what is not accepted, and of calls. The bundler replaces the file by `texts.min.ts` in the module for pages, whose
 * errors have the same codes and names, and fewer words: the server reads the same protocol with these.
 */
import { SendallError, type SendallErrorCode } from "../api/errors.js";

/** Whether the types of options are checked that the compiler checks, too. */
export const IS_WORDY: boolean = true;

/** Names of a handler's events, some of later versions, and the word of refusals. */
export const RESERVED_CLIENT: RegExp =
  /^(?:open|closed|error|info|idle|bytes|away|back|joined|changed|left|init|stop|!)?$/;

/** Names of a client's own events, and the word of refusals. */
export const RESERVED_SERVER: RegExp = /^(?:open|message|close|error|!)?$/;

/** A library may repeat a long value in its words. */
const MAX_TEXT = 200;

/** Cuts what is told of a payload. */
export function cutText(text: unknown): string {
  return String(text).slice(0, MAX_TEXT);
}

export const SCHEMA_FAILED = "the schema failed";
export const NO_JSON = "cannot be turned into JSON";
export const NO_REASON = "a refusal without reason";
export const MESSAGE_REFUSED = "the server has refused a message";
export const PROMISED = "a schema of fromServer must answer at once, and has returned a promise";

/** What is told of a name that is not known. @param verb the verb that the name goes with, in place of the verb used */
export function unknownText(known: Iterable<string>, verb?: string): string {
  const problem = verb === undefined ? "unknown" : `goes with ${verb}`;
  return `${problem}; expected ${[...known].join(", ") || "nothing"}`;
}

/** Throws an error for an option. @param expected in words */
export function refuseOption(option: string, expected: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${expected}`, { option });
}

/** The words that the wire uses itself. */
const RESERVED = /^(?:INVALID_MESSAGE|CALL_FAILED|CALL_TIMEOUT)?$/;
const REASON = "a word as reason, other than INVALID_MESSAGE, CALL_FAILED and CALL_TIMEOUT";

function refuseArgument(expected: string, value: unknown): never {
  const got = typeof value === "string" ? JSON.stringify(value) : typeof value;
  throw new SendallError("BAD_DATA", `refuse: expected ${expected}, got ${got}`);
}

/** Checks the arguments of `refuse`; throws `BAD_DATA`. */
export function checkRefusal(reason: unknown, message: unknown, data: unknown): void {
  if (typeof reason !== "string" || RESERVED.test(reason)) refuseArgument(REASON, reason);
  if (typeof message !== "string") refuseArgument("a text as message", message);
  try {
    JSON.stringify(data);
  } catch (cause) {
    throw new SendallError("BAD_DATA", `refuse: the data ${NO_JSON}`, { cause });
  }
}

/** A refusal without message. */
export function reasonText(reason: string): string {
  return reason === "CALL_FAILED" ? "the handler failed" : reason;
}

const PROBLEMS: Partial<Record<SendallErrorCode, string>> = {
  CALL_TIMEOUT: "no answer in time",
  CONNECTION_LOST: "the connection was lost before the answer",
  TOO_MANY_CALLS: "too many calls or messages wait",
};

/** What is told of a call that has no answer. */
export function callText(code: SendallErrorCode, isSent: boolean): string {
  return `${PROBLEMS[code] ?? "closed"}; the call ${isSent ? "may have happened" : "was not sent"}`;
}
