/** The one error class of Sendall and its stable codes. Everybody throws it; callers tell errors apart by `code`. */

/**
 * What went wrong, as a stable word.
 *
 * - `BAD_OPTION`: an option is unknown, of the wrong type or out of range; `option` has its dotted name.
 * - `LISTEN_FAILED`: the port cannot be had; `cause` has the system's error.
 * - `BAD_CLOSE_CODE`: a close code that RFC 6455 section 7.4 does not let an endpoint send.
 * - `BAD_DATA`: a message that is neither a string nor bytes, a ping of more than 125 bytes, or something else than a connection
 *   or its id where one is asked for.
 * - `BAD_ROOM`: a room name that is not a string, or empty.
 * - `BAD_DURATION`: a number of milliseconds that is not one.
 * - `BAD_HANDLER`: a handler file that is missing, cannot be loaded or exports no handler.
 * - `HANDLER_TIMEOUT`: the handler had not finished an event after `handlerTimeoutMs`.
 * - `REFUSED`: a test client's connection was refused; `status` and `body` tell how.
 * - `NOT_SETTLED`: a test waited for a handler that waits for something outside the test runtime.
 * - `HANDLER_FAILED`: a handler under test has thrown what is no error; `cause` has it.
 * - `TIMER_LEAKED`: a handler under test has left a timer of Node running.
 * - `CLOSED`: a test client waits for a message that cannot come any more.
 */
export type SendallErrorCode =
  | "BAD_OPTION"
  | "LISTEN_FAILED"
  | "BAD_CLOSE_CODE"
  | "BAD_DATA"
  | "BAD_ROOM"
  | "BAD_DURATION"
  | "BAD_HANDLER"
  | "HANDLER_TIMEOUT"
  | "REFUSED"
  | "NOT_SETTLED"
  | "HANDLER_FAILED"
  | "TIMER_LEAKED"
  | "CLOSED";

/** What a {@link SendallError} carries beside its message. */
export interface SendallErrorDetails {
  /** The dotted name of the option (`BAD_OPTION`). */
  readonly option?: string;
  /** The HTTP status of a refusal (`REFUSED`). */
  readonly status?: number;
  /** The body of a refusal (`REFUSED`). */
  readonly body?: string;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** The error that Sendall throws and rejects with; tell them apart by {@link SendallError.code}. */
export class SendallError extends Error {
  override readonly name = "SendallError";
  readonly code: SendallErrorCode;
  readonly option?: string;
  readonly status?: number;
  readonly body?: string;

  constructor(code: SendallErrorCode, message: string, details: SendallErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.option !== undefined) this.option = details.option;
    if (details.status !== undefined) this.status = details.status;
    if (details.body !== undefined) this.body = details.body;
  }
}

/** Shows a wrong value in an error message: its kind, and as much of it as fits on a line. */
export function show(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "number") return String(value);
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return `an object of class ${value.constructor?.name ?? "null"}`;
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, part: unknown) => (typeof part === "function" ? "a function" : part));
  } catch {
    return "an object that refers to itself";
  }
  text ??= String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
