/** What a span says of an error, which may be anything that a program throws. */
import { isError, messageOf, readProperty } from "../runtime/thrown.js";

/** As the conventions of OpenTelemetry have it where there is no better name. */
const OTHER = "_OTHER";

export interface SpanError {
  /** The attribute `error.type`: the code of the error, else the name. */
  readonly type: string;
  /** For the span's event; plain text, whatever the error's properties are. */
  readonly exception: { readonly name: string; readonly message: string; readonly stack?: string };
}

export function spanErrorOf(error: unknown): SpanError {
  const type = typeOf(error);
  const stack = textOf(error, "stack");
  return { type, exception: { name: type, message: messageOf(error), ...(stack !== undefined && { stack }) } };
}

function typeOf(error: unknown): string {
  if (!isError(error)) return OTHER;
  const name = textOf(error, "name");
  return textOf(error, "code") ?? name ?? OTHER;
}

function textOf(error: unknown, property: string): string | undefined {
  if (!isError(error)) return undefined;
  const value = readProperty(error, property);
  return typeof value === "string" && value !== "" ? value : undefined;
}
