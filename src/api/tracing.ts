/**
 * The messages of the diagnostics channels. A server publishes on `tracingChannel("sendall.handle")` and on the channels `sendall.open`,
 * `sendall.closed` and `sendall.refused` of `node:diagnostics_channel`, and builds a message only while somebody subscribes.
 */
import type { Connection } from "./connection.js";
import type { Ending, ServerEvent } from "./events.js";

/** A control frame of the peer (RFC 6455 section 5.5), which callbacks `ping` and `pong` of a `perConnection` module get. */
export interface TracedControlFrame {
  /** The kind of frame. */
  readonly type: "ping" | "pong";
  /** The sender. */
  readonly connection: Connection;
  /** The payload, of at most 125 bytes. */
  readonly data: Buffer;
}

/**
 * The message of `tracingChannel("sendall.handle")`: one object for each event that a handler handles, the same object for every step.
 *
 * `start` comes before the call of the handler, `end` once the handler has returned or thrown. If `isAsync` is true by then, the handler
 * has returned a promise, and `asyncStart` and `asyncEnd` follow, both once the event is over. `error` comes before the last step of an
 * event that has failed: by a throw, by a rejection, or by taking longer than `handlerTimeoutMs`. Under a `perConnection` loop a message
 * is over once the loop asks for the next, and `open` once the loop asks for the first message, or after `handlerTimeoutMs`.
 *
 * Stores bound to `start` (`bindStore`) reach the code of the handler, whatever the code awaits. A loop runs in the stores of its `open`.
 */
export interface TracedEvent {
  /** The event as the handler gets the event, payload included. */
  readonly event: ServerEvent | TracedControlFrame;
  /**
   * The connection behind the event; under `channels` the connection that has subscribed, whose subscription is `event.connection`.
   * `undefined` for an `info` event of no connection.
   */
  readonly connection: Connection | undefined;
  /** The path of the route as given in `routes`, such as `"/rooms/:name"`; `"*"` for a single `handler`. */
  readonly route: string;
  /** The name of the channel under `channels`, else `undefined`. Names of nested channels are joined by a comma, as on the wire. */
  readonly channel: string | undefined;
  /** The option `name` of the server. */
  readonly server: string;
  /** The size of the peer's data in bytes: of a message, as the channel's handler gets the message, of a ping or pong; else `undefined`. */
  readonly bytes: number | undefined;
  /** `false` until the handler has returned a promise; a loop counts as a promise. Final at `end`. */
  readonly isAsync: boolean;
  /** What made the event fail. Absent for an event that has not failed. A `refuse` of a protocol's function is no failure. */
  readonly error?: unknown;
}

/**
 * The message of the channel `sendall.open`: a connection is let in, and its `open` waits for the handler. Published where the request is
 * answered, so that an `AsyncLocalStorage` has what the request's own code has stored. A session that is taken up again opens nothing.
 */
export interface TracedOpen {
  /** The new connection. */
  readonly connection: Connection;
  /** The path of the route as given in `routes`; `"*"` for a single `handler`. */
  readonly route: string;
  /** The option `name` of the server. */
  readonly server: string;
}

/** The message of the channel `sendall.closed`: a connection has ended, and its `closed` waits for the handler. Comes once for each `sendall.open`. */
export interface TracedClosed extends TracedOpen, Ending {
  /** How long the connection was open, in milliseconds. */
  readonly durationMs: number;
}

/** The message of the channel `sendall.refused`: a request to connect was refused, and counted in `stats().refused`. */
export interface TracedRefusal {
  /** The HTTP status of the answer; 499 if the peer left before the decision. */
  readonly status: number;
  /** The cause, which is the body of the answer. */
  readonly reason: string;
  /** The path of the request, as sent, without the query. */
  readonly path: string;
  /** The peer's address, or the address that a trusted proxy names. */
  readonly remoteAddress: string;
  /** The path of the route as given in `routes`; `undefined` if no route has the path of the request. */
  readonly route: string | undefined;
  /** The option `name` of the server. */
  readonly server: string;
}
