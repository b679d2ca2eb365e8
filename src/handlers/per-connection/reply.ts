/** The replies that a callback of a `perConnection` module returns: what to send, and the next state. `module.ts` carries replies out. */

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

/** A ping (RFC 6455 section 5.5.2) or an unsolicited pong (section 5.5.3), of at most 125 bytes. */
export interface ControlReply<S> {
  /** Whether to send a ping or a pong. */
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
  /** The reason, of at most 123 bytes; a longer reason is cut between characters. Default `""`. */
  readonly reason?: string | undefined;
  /** The next state. */
  readonly state: S;
}

/** A single reply: what to send, and the next state. */
export type SingleReply<S> = NoReply<S> | MessageReply<S> | ControlReply<S> | CloseReply<S>;

/**
 * What a callback of a `perConnection` handler returns: a single reply, or several replies to carry out in order. The state of the
 * last reply is the next state; an empty list leaves the state as before. Any other value is a failure, `BAD_REPLY`.
 */
export type Reply<S> = SingleReply<S> | readonly SingleReply<S>[];

/** A state is an argument even if `undefined`: a forgotten state would replace the state of the connection. */
function checkState(isGiven: boolean, call: string): void {
  if (!isGiven)
    throw new SendallError(
      "BAD_REPLY",
      `${call}: expected the next state as an argument, also if the state is undefined`,
    );
}

/**
 * Sends nothing.
 * @throws SendallError `BAD_REPLY` without a state
 *
 * @example
 * ```ts
 * import { noreply, perConnection, serve } from "sendall";
 *
 * const counter = perConnection({
 *   init: () => 0,
 *   handle: (_message, count) => noreply(count + 1),
 * });
 * const server = await serve({ port: 8080, handler: counter });
 * console.log(server.url);
 * ```
 */
export function noreply<S>(state: S): NoReply<S>;
export function noreply<S>(...given: readonly [state: S]): NoReply<S> {
  checkState(given.length > 0, "noreply(state)");
  const [state] = given;
  return { type: "noreply", state };
}

/**
 * Sends a message; anything but a string or bytes fails with `BAD_DATA`.
 * @throws SendallError `BAD_REPLY` without a state
 *
 * @example
 * ```ts
 * import { perConnection, reply, serve } from "sendall";
 *
 * const echo = perConnection({
 *   init: () => undefined,
 *   handle: (message, state) => [reply("you said:", state), reply(message, state)],
 * });
 * const server = await serve({ port: 8080, handler: echo });
 * console.log(server.url);
 * ```
 */
export function reply<S>(data: Data, state: S): MessageReply<S>;
export function reply<S>(...given: readonly [data: Data, state: S]): MessageReply<S> {
  checkState(given.length > 1, "reply(data, state)");
  const [data, state] = given;
  return { type: "reply", data, state };
}

/**
 * Sends a ping with at most 125 bytes of data.
 * @throws SendallError `BAD_REPLY` without a state
 *
 * @example
 * ```ts
 * import { perConnection, ping, reply, serve } from "sendall";
 *
 * const timer = perConnection({
 *   init: () => 0,
 *   handle: () => ping(Date.now()),
 *   pong: (_data, sentAt) => reply(`${Date.now() - sentAt} ms`, sentAt),
 * });
 * const server = await serve({ port: 8080, handler: timer });
 * console.log(server.url);
 * ```
 */
export function ping<S>(state: S, data?: Data): ControlReply<S>;
export function ping<S>(...given: readonly [state: S, data?: Data]): ControlReply<S> {
  checkState(given.length > 0, "ping(state, data?)");
  const [state, data] = given;
  return { type: "ping", data, state };
}

/**
 * Sends a pong with at most 125 bytes of data. No pong is needed for pings of the peer, which Sendall answers.
 * @throws SendallError `BAD_REPLY` without a state
 *
 * @example
 * ```ts
 * import { perConnection, pong, serve } from "sendall";
 *
 * const alive = perConnection({
 *   init: () => undefined,
 *   handle: (_message, state) => pong(state, "still here"),
 * });
 * const server = await serve({ port: 8080, handler: alive });
 * console.log(server.url);
 * ```
 */
export function pong<S>(state: S, data?: Data): ControlReply<S>;
export function pong<S>(...given: readonly [state: S, data?: Data]): ControlReply<S> {
  checkState(given.length > 0, "pong(state, data?)");
  const [state, data] = given;
  return { type: "pong", data, state };
}

/**
 * Closes the connection with `code`, or with 1000 without a code.
 * @throws SendallError `BAD_REPLY` without a state
 *
 * @example
 * ```ts
 * import { close, perConnection, reply, serve } from "sendall";
 *
 * const threeQuestions = perConnection({
 *   init: () => 1,
 *   handle: (_question, asked) => [reply("yes", asked + 1), ...(asked === 3 ? [close(asked, 4000, "enough")] : [])],
 * });
 * const server = await serve({ port: 8080, handler: threeQuestions });
 * console.log(server.url);
 * ```
 */
export function close<S>(state: S, code?: number, reason?: string): CloseReply<S>;
export function close<S>(...given: readonly [state: S, code?: number, reason?: string]): CloseReply<S> {
  checkState(given.length > 0, "close(state, code?, reason?)");
  const [state, code, reason] = given;
  return { type: "close", code, reason, state };
}

const TYPES: readonly unknown[] = ["noreply", "reply", "ping", "pong", "close"];

/** The accepted replies, for error messages. */
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
