/** The verbs of a handler for sending, with receipts and options. The bus of each route and the server implement the verbs. */
import type { Connection, ConnectionData, ConnectionRef, Data, Params } from "./connection.js";
import type { HistoryRange, HistoryResult } from "./history.js";
import type { PresentCount, PresentKey } from "./presence.js";

/** What became of one message: `targeted = queued + dropped + dead`. */
export interface Receipt {
  /** The number of connections for which the message was meant. */
  readonly targeted: number;
  /** The number of outboxes that took the message. */
  readonly queued: number;
  /** The number of slow consumers without the message. */
  readonly dropped: number;
  /** The number of targets already gone (dead letters). */
  readonly dead: number;
  /**
   * With `cluster`: 1 if the message is also on its way to other nodes, 0 if not (the link is down, or the message is meant for no
   * other node). The other numbers count this node alone. Absent without `cluster`.
   */
  readonly forwarded?: 0 | 1;
  /** Of a kept message (`keep: true`): its position in the room. Absent if the store could not take the message. */
  readonly position?: string;
}

/** Narrows a send to the members of a room, or of any of several rooms (each member gets the message once). */
export interface RoomOption {
  /** A room, or several, each named by 1 to 1,024 characters. A send without options goes to every connection. */
  readonly room: string | readonly string[];
  /**
   * Also keeps the message, for those who follow the room later (option `history`). Wants exactly one room. Default `false`.
   */
  readonly keep?: boolean;
}

/**
 * Cancels an alarm that `bus.after` or `bus.every` set; does nothing after the alarm has ended. An `info` event that waits already, because
 * the handler was busy when the alarm rang, still comes: where that would do harm, give each alarm a number as its `data`, and compare.
 */
export type Cancel = () => void;

/**
 * Sending, rooms and alarms: the verbs that the bus and the server share. With `cluster`, `unicast`, `broadcast` and `sendall` reach the
 * connections of every node; the other verbs concern only the connections of this node.
 */
export interface Verbs<D = ConnectionData, P = Params, M = Data> {
  /**
   * Sends to a single connection. A connection that has gone is no error: the receipt says `dead: 1`.
   * @throws SendallError `BAD_DATA` if `data` is neither a string nor bytes, or `to` neither a connection nor an id
   */
  unicast(data: M, to: ConnectionRef): Receipt;
  /**
   * Sends to every connection except the source; to every connection, if the source has gone.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`, `NO_HISTORY`, `BAD_OPTION` if `options` is no object, has other options than `room` and `keep`, or
   * `keep` without exactly one room
   */
  broadcast(data: M, source: ConnectionRef, options?: RoomOption): Receipt;
  /**
   * Sends to every connection.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`, `NO_HISTORY`, `BAD_OPTION`, each as {@link Verbs.broadcast}
   */
  sendall(data: M, options?: RoomOption): Receipt;
  /** As {@link Connection.join}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  join(connection: ConnectionRef, room: string): boolean;
  /** As {@link Connection.leave}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  leave(connection: ConnectionRef, room: string): boolean;
  /** The open members of a room, in order of joining; a copy. @throws SendallError `BAD_ROOM` */
  members(room: string): Connection<D, P, M>[];
  /** The names of the rooms that have members; a copy. */
  rooms(): string[];
  /**
   * The keys that are present in a room, of every node as far as this node knows, by `since`, then by key: at most `presence.maxListed`. Of a
   * room without a member on this node, the keys of this node alone.
   * @throws SendallError `BAD_ROOM`; `NO_PRESENCE` without the option `presence`; `BAD_OPTION` of a server with several routes: ask
   * `server.route(path)`
   */
  present(room: string): PresentKey[];
  /**
   * How many are present in a room, listed or not.
   * @throws SendallError `BAD_ROOM`; `NO_PRESENCE` without the option `presence`; `BAD_OPTION` of a server with several routes
   */
  presentCount(room: string): PresentCount;
  /**
   * Reads what was kept in a room: everything, the newest messages (`last`), or the messages after a position (`after`). With `channels` each
   * channel's bus reads the channel's rooms, and the server's the route's own.
   * @throws SendallError (rejects) `BAD_ROOM`, `NO_HISTORY`, `HISTORY_UNAVAILABLE`; `BAD_OPTION` for a range that is none, and of a server with
   * several routes
   */
  history(room: string, range?: HistoryRange): Promise<HistoryResult>;
  /** Every open connection, in order of opening; a copy. */
  connections(): Connection<D, P, M>[];
  /**
   * Posts an `info` event to the handler.
   * @param to the connection that the event is about
   * @returns `false` if `mailbox.maxInfo` such events wait already, or the connection has gone
   * @throws SendallError `BAD_DATA` if `to` is neither a connection nor an id
   */
  tell(data: unknown, to?: ConnectionRef): boolean;
  /**
   * Posts an `info` event after `ms` milliseconds of the server's clock (virtual time in tests).
   * @param to the connection that the event is about; nothing is posted if the connection has gone by then
   * @throws SendallError `BAD_DURATION`; `BAD_DATA` if `data` is a function, which nothing would call, or `to` neither a connection nor
   * an id
   */
  after(ms: number, data: unknown, to?: ConnectionRef): Cancel;
  /**
   * Posts an `info` event every `ms` milliseconds of the server's clock (virtual time in tests), first after `ms`, until the returned
   * function is called or the server closes. The times are multiples of `ms` from the call, so a ticker does not drift; times that pass
   * while the event loop is blocked are skipped.
   * @param to the connection that the event is about; the alarm ends with the connection
   * @throws SendallError `BAD_DURATION` if `ms` is not above 0; `BAD_DATA` as {@link Verbs.after}
   */
  every(ms: number, data: unknown, to?: ConnectionRef): Cancel;
  /**
   * Resolves after `ms` milliseconds of the server's clock (virtual time in tests); never, if the server closes before. In a
   * `perConnection` handler a pending sleep ends when its connection goes.
   * @throws SendallError `BAD_DURATION`
   */
  sleep(ms: number): Promise<void>;
  /** The server's clock: milliseconds since 1970, with a fraction. */
  now(): number;
}

/** The verbs for sending: the second argument of a handler. Usable at any time, also after an `await`. */
export interface Bus<D = ConnectionData, P = Params, M = Data> extends Verbs<D, P, M> {
  /** As {@link Connection.close}. @throws SendallError `BAD_DATA`, `BAD_CLOSE_CODE` */
  close(to: ConnectionRef, code?: number, reason?: string): boolean;
}
