/** The one error class of Sendall and its stable codes. Everybody throws it; callers tell errors apart by `code`. */

/**
 * What went wrong, as a stable word: when it comes, and what to do.
 *
 * - `BAD_OPTION`: an option is unknown, of the wrong type or out of range. Correct the one that `option` names.
 * - `LISTEN_FAILED`: the port cannot be had. `cause` has the system's error; choose another port, or 0 for a free one.
 * - `CLUSTER_UNAVAILABLE`: the engine of `cluster` cannot be reached, refuses us or has no client installed. `cause` has its error;
 *   start the engine, or give the adapter `waitForLink: true`.
 * - `BAD_CLOSE_CODE`: a close code that RFC 6455 section 7.4 does not let an endpoint send. Use 1000 or one from 3000 to 4999.
 * - `BAD_DATA`: a message that is neither a string nor bytes, a ping of more than 125 bytes, something else than a connection
 *   or its id where one is asked for, or an answer that HTTP does not allow in `reject`. Turn objects into strings first.
 * - `BAD_ROOM`: a room name that is not a string, empty, or longer than 1,024 characters. Check names that come from peers before
 *   you use them.
 * - `BAD_DURATION`: a number of milliseconds that is not one. It has to be finite and not below 0.
 * - `BAD_HANDLER`: `sendall serve` has a handler file that is missing, cannot be loaded, exports no handler or has failed, or
 *   `perConnection`, `fromLogic` or `channels` was given what they can make no handler of. The message tells why.
 * - `BAD_REPLY`: a callback of a `perConnection` module has returned no reply. It stands in `stats().failures`; return
 *   `noreply(state)` if there is nothing to send.
 * - `HANDLER_TIMEOUT`: the handler had not finished an event after `handlerTimeoutMs`. It stands in `stats().failures`; have the
 *   handler wait for less, or raise the option.
 * - `REFUSED`: a client's connection was refused, or one of its channels. `status` and `body` tell how; a channel has the reason in
 *   `body`, and a browser does not tell: there it is `CONNECTION_FAILED`.
 * - `NOT_SETTLED`: a test waited for a handler that waits for something outside the test runtime. Let it wait for `bus.sleep`, or
 *   hand it a stand-in for what it waits for.
 * - `HANDLER_FAILED`: a handler under test has thrown what is no error. `cause` has it; throw an `Error`.
 * - `TIMER_LEAKED`: a handler under test has left a timer of Node running. Clear it when its connection or the server has ended, or
 *   use `bus.after`.
 * - `CLOSED`: a client, or a channel of one, was closed before what was waited for: a message of a test client, or the first opening.
 *   Its `closed` or `onClose` tells how it ended.
 * - `CONNECTION_FAILED`: a client could not connect, or its connection broke. `cause` has the socket's error, if it tells one; `onClose`
 *   says whether the client tries again.
 * - `CALLBACK_FAILED`: a callback that was given to a client threw, or its promise was rejected. `cause` has what it threw; the client
 *   goes on.
 * - `BAD_CHANNEL`: a channel's name that is not a string, empty, longer than 1,024 characters, holds a comma, or is taken already.
 *   Close the other one first, or choose another name.
 */
export type SendallErrorCode =
  | "BAD_OPTION"
  | "LISTEN_FAILED"
  | "CLUSTER_UNAVAILABLE"
  | "BAD_CLOSE_CODE"
  | "BAD_DATA"
  | "BAD_ROOM"
  | "BAD_DURATION"
  | "BAD_HANDLER"
  | "BAD_REPLY"
  | "HANDLER_TIMEOUT"
  | "REFUSED"
  | "NOT_SETTLED"
  | "HANDLER_FAILED"
  | "TIMER_LEAKED"
  | "CLOSED"
  | "CONNECTION_FAILED"
  | "CALLBACK_FAILED"
  | "BAD_CHANNEL";

/** What a {@link SendallError} carries beside its message. */
export interface SendallErrorDetails {
  /** The dotted name of the option (`BAD_OPTION`). */
  readonly option?: string;
  /** The HTTP status of a refusal (`REFUSED`). */
  readonly status?: number;
  /** The body of a refusal, or the reason of a channel's (`REFUSED`). */
  readonly body?: string;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** The error that Sendall throws and rejects with; tell them apart by {@link SendallError.code}. */
export class SendallError extends Error {
  override readonly name = "SendallError";
  /** What went wrong; stays the same when the message is worded anew. */
  readonly code: SendallErrorCode;
  /** The dotted name of the option (`BAD_OPTION`): `"mailbox.highWaterEvents"`. */
  readonly option?: string;
  /** The HTTP status of a refusal (`REFUSED`). */
  readonly status?: number;
  /** The body of a refusal (`REFUSED`). */
  readonly body?: string;

  /** Made by Sendall; a program has no need to. */
  constructor(code: SendallErrorCode, message: string, details: SendallErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.option !== undefined) this.option = details.option;
    if (details.status !== undefined) this.status = details.status;
    if (details.body !== undefined) this.body = details.body;
  }
}
