/** Asks a schema about a value. A schema that throws, or answers with nothing that is a result, refuses the value. */
import { type MessageIssue, SendallError } from "../api/errors.js";
import type { Schema, SchemaIssue, SchemaResult } from "./standard-schema.js";

/** What a schema says of a payload. */
export type Checked =
  | { readonly value: unknown; readonly issues?: undefined }
  | {
      readonly issues: readonly MessageIssue[];
      /** What the schema has thrown. */
      readonly cause?: unknown;
    };

/** Peers get at most this many issues of a message. */
const MAX_ISSUES = 5;
/** A library may repeat a long value in its words. */
const MAX_TEXT = 200;

/** A refusal of ours: the payload as a whole. */
export function refusedFor(message: string, cause?: unknown): Checked {
  return { issues: [{ path: "", message }], cause };
}

function issueOf({ path = [], message }: SchemaIssue): MessageIssue {
  // Not `map`: the paths of arktype are arrays of a class whose constructor makes [0] of a length of 0.
  const keys = Array.from(path, (part) => String(Object(part) === part ? (part as { key: PropertyKey }).key : part));
  return { path: keys.join(".").slice(0, MAX_TEXT), message: String(message).slice(0, MAX_TEXT) };
}

function broken(cause: unknown): Checked {
  return refusedFor("the schema failed", cause);
}

function read(result: SchemaResult<unknown>): Checked {
  try {
    const { issues } = result;
    if (issues) return { issues: issues.slice(0, MAX_ISSUES).map(issueOf) };
    return "value" in result ? { value: result.value } : broken(undefined);
  } catch (thrown) {
    return broken(thrown);
  }
}

/** @returns at once, unless the schema itself needs time; such a promise is never rejected */
export function check(schema: Schema, value: unknown): Checked | Promise<Checked> {
  try {
    const result = schema["~standard"].validate(value);
    return isPromise(result) ? Promise.resolve(result).then(read, broken) : read(result);
  } catch (thrown) {
    return broken(thrown);
  }
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === "function";
}

/** The error for a payload that does not fit. */
export function invalid(name: string, { issues, cause }: Exclude<Checked, { issues?: undefined }>): SendallError {
  const told = issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; ");
  return new SendallError("INVALID_MESSAGE", `${name}: ${told}`, { issues, ...(cause !== undefined && { cause }) });
}
