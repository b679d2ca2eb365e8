/**
 * The error class of Sendall and its stable codes. Every room throws `SendallError`; callers tell errors apart by `code`: `sendall/client`
 * is a module of its own, with a copy of the class.
 */

/**
 * What went wrong, as a stable word: when each code comes, and what to do.
 *
 * - `BAD_OPTION`: an option is unknown, of the wrong type or out of range. Correct the option that `option` names.
 * - `LISTEN_FAILED`: the server cannot listen on the port. `cause` has the system's error; choose another port, or 0 for a free port.
 * - `CLUSTER_UNAVAILABLE`: the engine of `cluster` cannot be reached, refuses the connection or has no client installed. `cause` has
 *   the engine's error; start the engine, or give the adapter `waitForLink: true`.
 * - `BAD_CLOSE_CODE`: a close code that RFC 6455 section 7.4 does not let an endpoint send: the server may send 1000-1003, 1007-1014 and 3000-4999, a client of
 *   `sendall/client` 1000 and 3000-4999. Use 4000-4999 for meanings of your own.
 * - `BAD_DATA`: a message that is neither a string nor bytes, a ping of more than 125 bytes, something other than a connection or its
 *   id where a connection is asked for, or an answer that HTTP does not allow in `reject`. Turn objects into strings first.
 * - `BAD_ROOM`: a room name that is not a string, empty, or longer than 1,024 characters. Check names that come from peers before use.
 * - `BAD_INFO`: what a connection is to show is not JSON (a function, `undefined`, a date, a cycle), or longer than `presence.maxInfoBytes`.
 *   Show less, such as a name and a state.
 * - `NO_PRESENCE`: presence was asked of a route without the option `presence`. Give the route `presence: {}`.
 * - `NO_HISTORY`: history was asked of a route without the option `history`, or a message was to be kept there. Give the route `history: {}`.
 * - `HISTORY_UNAVAILABLE`: the store of `history` cannot be opened, read, or is not there in this version of Node. `cause` has the store's error.
 * - `ALREADY_MEMBER`: `connection.follow` was called for a room that the connection is in. Call `follow` in place of `join`, after `leave`, or not at all
 *   if `connection.rooms.has(room)`; `bus.history` only reads.
 * - `BAD_DURATION`: a duration that is not a number of milliseconds. The number has to be finite and not below 0.
 * - `BAD_HANDLER`: the handler file of `sendall serve` is missing, cannot be loaded, exports no handler or wrong options, or has
 *   failed, or the file of `sendall asyncapi` exports no protocol, or `perConnection`, `fromLogic` or `channels` was given something that makes no handler. The message tells why.
 * - `BAD_REPLY`: a callback of a `perConnection` module has returned no reply, or has made a reply without a state. The error stands in
 *   `stats().failures`; return `noreply(state)` if there is nothing to send.
 * - `HANDLER_TIMEOUT`: the handler had not finished an event after `handlerTimeoutMs`. The error stands in `stats().failures`; make the
 *   handler wait for less, or raise the option.
 * - `REFUSED`: a client's connection or a client's channel was refused. `status` and `body` tell how, for a channel `body` alone; a
 *   browser does not tell, and the error there is `CONNECTION_FAILED`.
 * - `NOT_SETTLED`: a test waited for a handler that waits for something outside the test runtime. Let the handler wait for `bus.sleep`,
 *   or give the handler a stand-in for what is outside.
 * - `NO_MESSAGE`: a test client waited for a message, and nothing is on its way. The message tells what the client got last, and when the
 *   next alarm rings; call `advance` if the awaited message takes virtual time.
 * - `HANDLER_FAILED`: a handler under test has thrown something that is not an error. `cause` has the thrown value; throw an `Error`.
 * - `TIMER_LEAKED`: a handler under test has left a timer of Node running. Clear the timer when its connection or the server has ended,
 *   or use `bus.after`.
 * - `CLOSED`: a client, or a client's channel, was closed before the awaited event: a message of a test client, or the first opening; or
 *   a channel was asked of a client of `useClient` without a mounted component. `closed` or `onClose` tells how the client or channel ended.
 * - `CONNECTION_FAILED`: a client could not connect, or its connection broke. `cause` has the socket's error, if there is one;
 *   `onClose` says whether the client tries again.
 * - `CALLBACK_FAILED`: a callback that was given to a client threw, or its promise was rejected. `cause` has the thrown value; the
 *   client goes on.
 * - `BAD_CHANNEL`: a channel's name is not a string, is empty, is longer than 1,024 characters, holds a comma, or is taken already.
 *   Close the other channel first, or choose another name.
 * - `INVALID_MESSAGE`: a payload does not fit the schema of a protocol, or a message came that the protocol does not know. `issues` tells
 *   what is wrong.
 * - `MESSAGE_REFUSED`: the server has refused a message of a typed client. `reason` has the handler's word, or `"INVALID_MESSAGE"` with
 *   `issues`; `data` is what the handler gave beside the reason.
 * - `CALL_REFUSED`: the server has refused a call. `reason` has the handler's word, and `data` what the handler gave beside the reason.
 * - `CALL_FAILED`: the handler of a call failed, or its answer does not fit the protocol. The server's `stats().failures` tells more.
 * - `CALL_TIMEOUT`: no answer came within `timeoutMs`. The call may have happened, unless it still waited for a connection.
 * - `CONNECTION_LOST`: the connection was lost before the answer. The call may have happened.
 * - `TOO_MANY_CALLS`: as many calls as `calls.maxPending` allows wait for an answer, or the client keeps no more messages. Nothing was sent.
 */
export type SendallErrorCode =
  | "BAD_OPTION"
  | "LISTEN_FAILED"
  | "CLUSTER_UNAVAILABLE"
  | "BAD_CLOSE_CODE"
  | "BAD_DATA"
  | "BAD_ROOM"
  | "BAD_INFO"
  | "NO_PRESENCE"
  | "NO_HISTORY"
  | "HISTORY_UNAVAILABLE"
  | "ALREADY_MEMBER"
  | "BAD_DURATION"
  | "BAD_HANDLER"
  | "BAD_REPLY"
  | "HANDLER_TIMEOUT"
  | "REFUSED"
  | "NOT_SETTLED"
  | "NO_MESSAGE"
  | "HANDLER_FAILED"
  | "TIMER_LEAKED"
  | "CLOSED"
  | "CONNECTION_FAILED"
  | "CALLBACK_FAILED"
  | "BAD_CHANNEL"
  | "INVALID_MESSAGE"
  | "MESSAGE_REFUSED"
  | "CALL_REFUSED"
  | "CALL_FAILED"
  | "CALL_TIMEOUT"
  | "CONNECTION_LOST"
  | "TOO_MANY_CALLS";

/** What is wrong with a payload (`INVALID_MESSAGE`). */
export interface MessageIssue {
  /** Where in the payload: `"address.street"`; `""` for the payload as a whole. */
  readonly path: string;
  /** What is wrong, in words of the schema. */
  readonly message: string;
}

/** What a {@link SendallError} carries besides its message. */
export interface SendallErrorDetails {
  /** The dotted name of the option (`BAD_OPTION`). */
  readonly option?: string;
  /** The HTTP status of a refusal (`REFUSED`). */
  readonly status?: number;
  /** The body of a refusal, or the reason of a channel's refusal (`REFUSED`). */
  readonly body?: string;
  /** What is wrong with the payload (`INVALID_MESSAGE`, `MESSAGE_REFUSED`). */
  readonly issues?: readonly MessageIssue[];
  /** Why the server has refused (`MESSAGE_REFUSED`, `CALL_REFUSED`). */
  readonly reason?: string;
  /** What the handler gave beside the reason (`MESSAGE_REFUSED`, `CALL_REFUSED`). */
  readonly data?: unknown;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** The error that Sendall throws and rejects with; {@link SendallError.code} tells errors apart. */
export class SendallError extends Error {
  override readonly name = "SendallError";
  /** What went wrong; stays the same when the message is reworded. */
  declare readonly code: SendallErrorCode;
  /** The dotted name of the option (`BAD_OPTION`): `"mailbox.highWaterEvents"`. */
  declare readonly option?: string;
  /** The HTTP status of a refusal (`REFUSED`). */
  declare readonly status?: number;
  /** The body of a refusal (`REFUSED`). */
  declare readonly body?: string;
  /** What is wrong with the payload (`INVALID_MESSAGE`, `MESSAGE_REFUSED`). */
  declare readonly issues?: readonly MessageIssue[];
  /** Why the server has refused (`MESSAGE_REFUSED`, `CALL_REFUSED`). */
  declare readonly reason?: string;
  /** What the handler gave beside the reason (`MESSAGE_REFUSED`, `CALL_REFUSED`). */
  declare readonly data?: unknown;

  /** Made by Sendall; a program has no need to. */
  constructor(code: SendallErrorCode, message: string, details?: SendallErrorDetails) {
    // `Error` takes the cause, if there is one.
    super(message, details);
    Object.assign(this, { code }, details);
  }
}
