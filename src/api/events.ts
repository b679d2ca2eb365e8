/** The events of a handler. */
import type { ClosedBy, Connection, ConnectionData, Params } from "./connection.js";

/** How a connection ended. */
export interface Ending {
  /** The code of the peer's close frame, else of the one we sent, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason that goes with the code. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Who ended it. */
  readonly by: ClosedBy;
}

/** A connection has opened: the first event of each. */
export interface OpenEvent<D = ConnectionData, P = Params> {
  readonly type: "open";
  /** Who has come; a target and a member from now on. */
  readonly connection: Connection<D, P>;
}

/** A message has arrived. */
export interface MessageEvent<D = ConnectionData, P = Params> {
  readonly type: "message";
  /** Who has sent it. */
  readonly connection: Connection<D, P>;
  /** A string from a text frame, a Buffer from a binary one. The Buffer may be kept. */
  readonly data: string | Buffer;
  /** The string, or the bytes read as UTF-8. */
  readonly text: string;
}

/** A connection has ended: the last event of each. */
export interface ClosedEvent<D = ConnectionData, P = Params> {
  readonly type: "closed";
  /** Who has gone; its `rooms` and `data` are those of before. */
  readonly connection: Connection<D, P>;
  /** The code of the peer's close frame, else of the one we sent, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason beside that code, `""` if there was none. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Who ended it. */
  readonly by: ClosedBy;
}

/** The socket or the protocol failed; `closed` follows. */
export interface ErrorEvent<D = ConnectionData, P = Params> {
  readonly type: "error";
  /** Whose socket it is. */
  readonly connection: Connection<D, P>;
  /** What the socket or the protocol says. */
  readonly error: Error;
}

/** Something from the rest of the program (`tell`) or a timer (`after`). */
export interface InfoEvent<D = ConnectionData, P = Params> {
  readonly type: "info";
  /** What `tell` or `after` was given, as it is. */
  readonly data: unknown;
  /** Whom it is about, if it was addressed. */
  readonly connection?: Connection<D, P>;
}

/** A connection has been silent for as long as `connection.idle(ms)` asked. */
export interface IdleEvent<D = ConnectionData, P = Params> {
  readonly type: "idle";
  /** Who is silent. */
  readonly connection: Connection<D, P>;
}

/** What a handler gets; tell them apart by `type`. */
export type ServerEvent<D = ConnectionData, P = Params> =
  | OpenEvent<D, P>
  | MessageEvent<D, P>
  | ClosedEvent<D, P>
  | ErrorEvent<D, P>
  | InfoEvent<D, P>
  | IdleEvent<D, P>;
