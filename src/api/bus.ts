/** What a handler sends with: the verbs, their receipts and their options. */
import type { Connection, ConnectionData, ConnectionRef, Data, Params } from "./connection.js";

/** What became of one message: `targeted = queued + dropped + dead`. */
export interface Receipt {
  /** For how many connections it was meant. */
  readonly targeted: number;
  /** How many outboxes took it. */
  readonly queued: number;
  /** How many slow consumers do not get it. */
  readonly dropped: number;
  /** How many of them have gone (a dead letter). */
  readonly dead: number;
  /**
   * With `cluster`: 1 if the message is also on its way to the other nodes, 0 if not (the link is down, or none of them is
   * meant). The other numbers speak of this node alone. Absent without `cluster`.
   */
  readonly forwarded?: 0 | 1;
}

/** Narrows a send to the members of a room, or of any of several (each gets the message once). */
export interface RoomOption {
  /** A room, or several, each named by 1 to 1,024 characters. Default: no room, but all connections. */
  readonly room?: string | readonly string[];
}

/** Ends an alarm that `bus.after` set; does nothing once it has rung. */
export type Cancel = () => void;

/**
 * Sending, rooms and alarms: the verbs that the bus and the server share. With `cluster`, `unicast`, `broadcast` and `sendall` reach the
 * connections of all nodes; everything else is about those of this node.
 */
export interface Verbs<D = ConnectionData, P = Params> {
  /**
   * Sends to one connection. One that has gone is no error: the receipt says `dead: 1`.
   * @throws SendallError `BAD_DATA` if it is neither a string nor bytes, or `to` neither a connection nor an id
   */
  unicast(data: Data, to: ConnectionRef): Receipt;
  /**
   * Sends to all but the source; to all, if the source has gone.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`
   */
  broadcast(data: Data, source: ConnectionRef, options?: RoomOption): Receipt;
  /**
   * Sends to all.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`
   */
  sendall(data: Data, options?: RoomOption): Receipt;
  /** As {@link Connection.join}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  join(connection: ConnectionRef, room: string): boolean;
  /** As {@link Connection.leave}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  leave(connection: ConnectionRef, room: string): boolean;
  /** The open members of a room, in order of joining; a copy. @throws SendallError `BAD_ROOM` */
  members(room: string): Connection<D, P>[];
  /** The names of all rooms; a copy. */
  rooms(): string[];
  /** All open connections, in order of opening; a copy. */
  connections(): Connection<D, P>[];
  /**
   * Posts an `info` event to the handler.
   * @param to whom it is about
   * @returns `false` if `mailbox.maxInfo` of them wait already, or the connection has gone
   * @throws SendallError `BAD_DATA` if `to` is neither a connection nor an id
   */
  tell(data: unknown, to?: ConnectionRef): boolean;
  /**
   * Posts an `info` event after `ms` milliseconds of the server's clock (virtual time in tests).
   * @param to whom it is about; nothing is posted if it has gone by then
   * @throws SendallError `BAD_DURATION`, `BAD_DATA`
   */
  after(ms: number, data: unknown, to?: ConnectionRef): Cancel;
  /**
   * Resolves after `ms` milliseconds of the server's clock (virtual time in tests); never, if the server closes before. In a
   * `perConnection` handler a sleep that is under way ends when its connection goes.
   * @throws SendallError `BAD_DURATION`
   */
  sleep(ms: number): Promise<void>;
  /** The server's clock: milliseconds since 1970. */
  now(): number;
}

/** What a handler sends with: its second argument. Works at any time, also after an `await`. */
export interface Bus<D = ConnectionData, P = Params> extends Verbs<D, P> {
  /** As {@link Connection.close}. @throws SendallError `BAD_DATA`, `BAD_CLOSE_CODE` */
  close(to: ConnectionRef, code?: number, reason?: string): boolean;
}
