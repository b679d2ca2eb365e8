/**
 * Close codes with their reasons and meanings: the only file with close-code numbers (RFC 6455 section 7.4). Server and client use the
 * file, the client in browsers too, so nothing of Node is imported.
 */

import { show } from "../runtime/show.js";
import { isError, readProperty } from "../runtime/thrown.js";
import { SendallError } from "./errors.js";

/** Why a connection is closed, as the close frame says. */
export interface CloseReason {
  readonly code: number;
  readonly reason: string;
}

/** Stands for a close frame without a code (never sent). */
export const NO_CODE = 1005;
/** Stands for an end without a close frame (never sent). */
export const ABNORMAL = 1006;

export const NORMAL: CloseReason = { code: 1000, reason: "" };
export const GOING_AWAY: CloseReason = { code: 1001, reason: "going away" };
export const IDLE: CloseReason = { code: 1000, reason: "idle" };
export const SLOW_CONSUMER: CloseReason = { code: 1013, reason: "slow consumer" };
export const HANDLER_FAILED: CloseReason = { code: 1011, reason: "handler failed" };

/** A message that a protocol does not know, under `onInvalid: "close"`. */
export const INVALID_MESSAGE: CloseReason = { code: 1008, reason: "invalid message" };
/** The connection's budget of failures is used up, and the last failure was an invalid message. */
export const INVALID_MESSAGES: CloseReason = { code: 1008, reason: "invalid messages" };

const TOO_LARGE: CloseReason = { code: 1009, reason: "" };

/** No single message is too big (1009) and no frame is invalid (1002): RFC 6455 section 7.4.1 leaves 1008, policy violation. */
export const TOO_MANY_PARTS: CloseReason = { code: 1008, reason: "" };

/** Every single message is short enough, which rules out 1009; trying again later (1013) would end in the same way. */
export const FLOOD: CloseReason = { code: 1008, reason: "too much at once" };

/** The client has sent more than its budget, under `budget.over: "close"`. */
export const OVER_BUDGET: CloseReason = { code: 1008, reason: "over budget" };

/** A control frame of a session cannot be read. */
export const BROKEN_CONTROL_FRAME: CloseReason = { code: 1002, reason: "malformed control frame" };

/** The session goes on over a newer socket. */
export const TAKEN_OVER: CloseReason = { code: 1008, reason: "session taken over" };
/** `authorize` has refused the request that was to take the session up again. */
export const REFUSED_SESSION: CloseReason = { code: 1008, reason: "refused" };

/** Codes of SockJS: a second receiver at a session, a session that was cut, and a message that is not a list of strings. */
export const ANOTHER_OPEN: CloseReason = { code: 2010, reason: "Another connection still open" };
export const INTERRUPTED: CloseReason = { code: 1002, reason: "Connection interrupted" };
export const BROKEN_FRAMING: CloseReason = { code: 3000, reason: "Broken framing." };
/** Closes the WebSocket below a SockJS session after a `c[…]` frame has told the client the reason. */
export const SESSION_CLOSED: CloseReason = { code: 1000, reason: "Normal closure" };

/** A message is longer than allowed, on a connection that `ws` does not read. */
export class TooLarge extends RangeError {
  readonly code = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
  readonly closing: CloseReason = TOO_LARGE;
}

/** An unfinished message keeps too much in memory besides its own bytes, where `ws` does not count. */
export class TooManyParts extends RangeError {
  readonly code = "WS_ERR_TOO_MANY_BUFFERED_PARTS";
  readonly closing: CloseReason = TOO_MANY_PARTS;
}

/** A peer with a session (subprotocol `sendall.1`) has sent a known control frame that cannot be read. */
export class BrokenControlFrame extends Error {
  readonly code = "SENDALL_BROKEN_CONTROL_FRAME";
  readonly closing: CloseReason = BROKEN_CONTROL_FRAME;
}

/** A peer of a SockJS session has sent something that is not a SockJS message. */
export class BrokenFraming extends Error {
  readonly code = "SOCKJS_BROKEN_FRAMING";
  readonly closing: CloseReason = BROKEN_FRAMING;
}

/** The codes with which `ws` answers a broken frame, by the error code of `ws`. */
const protocolErrors: Readonly<Record<string, number>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
};
const PROTOCOL_ERROR = 1002;
const INVALID_PAYLOAD = 1007;

/** The code with which a protocol error closed the connection; `undefined` for an error of the socket. */
export function protocolErrorCode(error: Error): number | undefined {
  const said = readProperty(error, "code");
  const code = typeof said === "string" ? said : "";
  // The content of a compressed message is not a deflate stream (RFC 7692): `ws` closes with 1007.
  if (code.startsWith("Z_")) return INVALID_PAYLOAD;
  if (isError(error) && (error instanceof BrokenFraming || error instanceof BrokenControlFrame))
    return error.closing.code;
  if (!code.startsWith("WS_ERR_")) return undefined;
  return protocolErrors[code] ?? PROTOCOL_ERROR;
}

/** Throws `BAD_CLOSE_CODE` unless an endpoint may send this code. */
export function checkCloseCode(code: unknown): asserts code is number {
  const sendable =
    typeof code === "number" &&
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999));
  if (!sendable)
    throw new SendallError(
      "BAD_CLOSE_CODE",
      `close code: expected 1000-1003, 1007-1014 or 3000-4999, got ${show(code)}`,
    );
}

/** Whether the WebSocket class of browsers lets a page close with this code. */
export function isBrowserCode(code: number): boolean {
  return code === NORMAL.code || (code >= 3000 && code <= 4999);
}

/** A close frame holds 125 bytes (RFC 6455 section 5.5), of which the code takes two. */
export const MAX_REASON_BYTES = 123;

/** Cuts a reason, at a character, to the length that fits into a close frame. */
export function cutReason(reason: string): string {
  const bytes = new TextEncoder().encode(String(reason)).subarray(0, MAX_REASON_BYTES);
  // In the midst of a stream a decoder keeps the bytes of a half character back.
  return new TextDecoder().decode(bytes, { stream: true });
}

/** Whether a client may send the code: the codes that browsers let a page send, in Node too. */
export function isClientCloseCode(code: unknown): code is number {
  return code === NORMAL.code || (Number.isInteger(code) && (code as number) >= 3000 && (code as number) <= 4999);
}

/** Throws `BAD_CLOSE_CODE` unless a client may send the code. */
export function checkClientCloseCode(code: unknown): asserts code is number {
  if (!isClientCloseCode(code))
    throw new SendallError("BAD_CLOSE_CODE", `close code: a client may send 1000 or 3000-4999, got ${show(code)}`);
}

/**
 * The registered codes (RFC 6455 section 7.4.1 and IANA's registry) after which a client stays away: the server is done with the client,
 * does not want it, or cannot take what the client sends. A client comes back if the code is about the server itself, or if there was no
 * code. Codes that are not listed here are the application's own: a client comes back after such a code, since only the application
 * knows better.
 */
const FINAL_CODES: readonly number[] = [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003];

/** Whether a client stays away after a close with this code. */
export function isFinalCode(closeCode: number): boolean {
  return FINAL_CODES.includes(closeCode);
}

/** The registered codes in words. */
const texts: Readonly<Record<number, string>> = {
  1000: "normal closure",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no code",
  1006: "no close frame",
  1007: "invalid payload",
  1008: "policy violation",
  1009: "message too big",
  1010: "extension required",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  3000: "unauthorized",
  3003: "forbidden",
  3008: "timeout",
};

/** Whether a close with this code is an ordinary end, not a failure. */
export function isNormalEnd(code: number): boolean {
  return code === NORMAL.code || code === GOING_AWAY.code || code === NO_CODE;
}

/** A registered close code in words; `""` for an application's own code. */
export function closeCodeText(code: number): string {
  return texts[code] ?? "";
}

/** HTTP statuses that blame the moment, not the request (RFC 9110, 8470, 6585). */
const PASSING_STATUSES: readonly number[] = [408, 425, 429];

/** Whether a client stays away after an upgrade refused with this HTTP status: another request would get the same answer. */
export function isFinalStatus(status: number): boolean {
  return status >= 400 && status < 500 && !PASSING_STATUSES.includes(status);
}
