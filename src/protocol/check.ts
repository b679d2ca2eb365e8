/** Asks a schema about a value. A schema that throws, or answers with nothing that is a result, refuses the value. */
import { type MessageIssue, SendallError, type SendallErrorCode } from "../api/errors.js";
import { isPromiseLike } from "../runtime/promises.js";
import type { Schema, SchemaIssue, SchemaResult } from "./standard-schema.js";
import { cutText, PROMISED, SCHEMA_FAILED } from "./texts.js";

/** A payload that does not fit. */
export interface Misfit {
  readonly issues: readonly MessageIssue[];
  /** What the schema has thrown. */
  readonly cause?: unknown;
}

/** What a schema says of a payload. */
export type Checked = { readonly value: unknown; readonly issues?: undefined } | Misfit;

/** Peers get at most this many issues of a message. */
const MAX_ISSUES = 5;

/** A refusal of ours: the payload as a whole. */
export function refusedFor(message: string): Misfit {
  return { issues: [{ path: "", message }] };
}

function issueOf({ path = [], message }: SchemaIssue | MessageIssue): MessageIssue {
  // A plain array: the paths of arktype are arrays of a class whose constructor makes [0] of a length of 0.
  const parts: readonly unknown[] = [path].flat();
  const keys = parts.map((part) => String(Object(part) === part ? (part as { key: PropertyKey }).key : part));
  return { path: cutText(keys.join(".")), message: cutText(message) };
}

function broken(cause: unknown): Checked {
  return { ...refusedFor(SCHEMA_FAILED), cause };
}

/** Issues have the shape of a schema's, or that of the wire. */
export function readResult(result: SchemaResult<unknown> | Misfit): Checked {
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
    return isPromiseLike(result) ? Promise.resolve(result).then(readResult, broken) : readResult(result);
  } catch (thrown) {
    return broken(thrown);
  }
}

export function textOf(name: string, { issues }: Misfit): string {
  return `${name}: ${issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; ")}`;
}

/** The error for a payload that does not fit. */
export function invalid(name: string, misfit: Misfit, code: SendallErrorCode = "INVALID_MESSAGE"): SendallError {
  return new SendallError(code, textOf(name, misfit), misfit);
}

/** The error for a schema of the server's messages that does not answer at once. */
export function promised(name: string): SendallError {
  return new SendallError("BAD_DATA", `${name}: ${PROMISED}`);
}
