/** What a callback of a `perConnection` handler returns: what to send, and the next state. The runner carries it out. */

import type { Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";

/** Nothing to send. */
export interface NoReply<S> {
  readonly type: "noreply";
  /** The next state. */
  readonly state: S;
}

/** A message to the peer. */
export interface MessageReply<S> {
  readonly type: "reply";
  /** The message: a string goes out as a text frame, bytes as a binary frame. */
  readonly data: Data;
  /** The next state. */
  readonly state: S;
}

/** A ping (RFC 6455 section 5.5.2), or a pong that nobody asked for (section 5.5.3), of at most 125 bytes. */
export interface ControlReply<S> {
  /** Which of them. */
  readonly type: "ping" | "pong";
  /** At most 125 bytes. Default none. */
  readonly data?: Data | undefined;
  /** The next state. */
  readonly state: S;
}

/** The end of the connection (RFC 6455 section 5.5.1). */
export interface CloseReply<S> {
  readonly type: "close";
  /** The close code. Default 1000. */
  readonly code?: number | undefined;
  /** At most 123 bytes; what is longer is cut at a character. Default `""`. */
  readonly reason?: string | undefined;
  /** The next state. */
  readonly state: S;
}

/** One thing to do, and the next state. */
export type SingleReply<S> = NoReply<S> | MessageReply<S> | ControlReply<S> | CloseReply<S>;

/**
 * What a callback of a `perConnection` handler returns: one thing to do or several, done in order. The state of the last is the
 * next state; with an empty list the state stays. Anything else is a failure, `BAD_REPLY`.
 */
export type Reply<S> = SingleReply<S> | readonly SingleReply<S>[];

/** Sends nothing. */
export function noreply<S>(state: S): NoReply<S> {
  return { type: "noreply", state };
}

/** Sends a message; anything but a string or bytes fails with `BAD_DATA`. */
export function reply<S>(data: Data, state: S): MessageReply<S> {
  return { type: "reply", data, state };
}

/** Sends a ping with at most 125 bytes of data. */
export function ping<S>(state: S, data?: Data): ControlReply<S> {
  return { type: "ping", data, state };
}

/** Sends a pong with at most 125 bytes of data. Pings are answered without it. */
export function pong<S>(state: S, data?: Data): ControlReply<S> {
  return { type: "pong", data, state };
}

/** Closes the connection, with 1000 unless a code is given. */
export function close<S>(state: S, code?: number, reason?: string): CloseReply<S> {
  return { type: "close", code, reason, state };
}

const TYPES: readonly unknown[] = ["noreply", "reply", "ping", "pong", "close"];

/** The accepted shapes, for error messages. */
const REPLIES =
  "noreply(state), reply(data, state), ping(state, data?), pong(state, data?), close(state, code?, reason?), or an array of these";

function isSingle(value: unknown): value is SingleReply<unknown> {
  return (
    typeof value === "object" && value !== null && "state" in value && "type" in value && TYPES.includes(value.type)
  );
}

/** @throws SendallError `BAD_REPLY` */
export function readReply(value: unknown, callback: string): readonly SingleReply<unknown>[] {
  const replies: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (replies.every(isSingle)) return replies;
  throw new SendallError("BAD_REPLY", `${callback} returned ${show(value)}: expected ${REPLIES}`);
}
