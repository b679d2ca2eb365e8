/** The events that a handler gets: for each connection from `open` to `closed`, and `info` events of the program. */
import type { ClosedBy, Connection, ConnectionData, Data, Params } from "./connection.js";
import type { Json } from "./json.js";

/** How a connection ended. */
export interface Ending {
  /** The code of the peer's close frame, else of the server's close frame, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason that goes with the code. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Which side ended the connection. */
  readonly by: ClosedBy;
  /** How many messages to the peer the peer has not acknowledged; 0 where no session is kept (option `resume`). */
  readonly unacknowledged: number;
}

/** A connection has opened: the first event of each connection. */
export interface OpenEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "open";
  /** The new connection; a target and a member from now on. */
  readonly connection: Connection<D, P, M>;
}

/** A message has arrived. */
export interface MessageEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "message";
  /** The sender. */
  readonly connection: Connection<D, P, M>;
  /** A string from a text frame, a Buffer from a binary one. The Buffer may be kept. */
  readonly data: string | Buffer;
  /** The string, or the bytes read as UTF-8. */
  readonly text: string;
}

/** A connection has ended: the last event of each connection. */
export interface ClosedEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "closed";
  /** The connection that has gone; `rooms` and `data` are as before the end. */
  readonly connection: Connection<D, P, M>;
  /** The code of the peer's close frame, else of the server's close frame, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason beside that code, `""` if there was none. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Which side ended the connection. */
  readonly by: ClosedBy;
  /** How many messages to the peer the peer has not acknowledged; 0 where no session is kept (option `resume`). */
  readonly unacknowledged: number;
}

/** A connection has lost its socket; the session lives on (option `resume`). `back` or `closed` follows. */
export interface AwayEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "away";
  /** The connection without a socket: still open, a target and a member. */
  readonly connection: Connection<D, P, M>;
}

/** A connection that was away has a socket again. */
export interface BackEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "back";
  /** The connection; facts of the request, such as `headers`, are those of the newest request. */
  readonly connection: Connection<D, P, M>;
  /** How many messages waited for the peer, which are sent now. */
  readonly replayed: number;
  /** How many messages the peer does not get. Each is told once, though a peer whose welcome was lost is told again. */
  readonly lost: number;
}

/** The socket or the protocol failed; `closed` follows. */
export interface ErrorEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "error";
  /** The connection whose socket or protocol failed. */
  readonly connection: Connection<D, P, M>;
  /** The error that the socket or the protocol reports. */
  readonly error: Error;
}

/** Something from the rest of the program (`tell`) or a timer (`after`). */
export interface InfoEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "info";
  /** The value that `tell` or `after` was given, unchanged. */
  readonly data: unknown;
  /** The connection that the event is about, if `to` was given. */
  readonly connection?: Connection<D, P, M>;
}

/** A connection has been silent for as long as `connection.idle(ms)` asked. */
export interface IdleEvent<D = ConnectionData, P = Params, M = Data> {
  readonly type: "idle";
  /** The silent connection. */
  readonly connection: Connection<D, P, M>;
}

/** News of a key in a room (option `presence`), on whichever node. */
interface PresenceEvent {
  /** The room. */
  readonly room: string;
  /** Who: the answer of `presence.key`. */
  readonly key: string;
  /** What the key shows. */
  readonly info: Json;
  /** The number of keys in the room after the change, on all nodes. */
  readonly count: number;
  /** Whether a connection of this node caused the change. */
  readonly isLocal: boolean;
  /** Always absent: the event is about a key, which may have several connections. */
  readonly connection?: never;
}

/** A key's first connection has joined a room. */
export interface JoinedEvent extends PresenceEvent {
  readonly type: "joined";
}

/** A key that is present shows another info. */
export interface ChangedEvent extends PresenceEvent {
  readonly type: "changed";
}

/** A key's last connection has been gone from a room for `presence.graceMs`. */
export interface LeftEvent extends PresenceEvent {
  readonly type: "left";
}

/** Any event that a handler gets; `type` tells events apart. */
export type ServerEvent<D = ConnectionData, P = Params, M = Data> =
  | OpenEvent<D, P, M>
  | MessageEvent<D, P, M>
  | ClosedEvent<D, P, M>
  | ErrorEvent<D, P, M>
  | InfoEvent<D, P, M>
  | IdleEvent<D, P, M>
  | AwayEvent<D, P, M>
  | BackEvent<D, P, M>
  | JoinedEvent
  | ChangedEvent
  | LeftEvent;
