/** What a server is doing at a moment, as `server.snapshot()` tells: plain JSON, without any payload. */
import type { ConnectionId, TransportName } from "./connection.js";
import type { ClusterStats } from "./stats.js";

/** The options of `server.snapshot`. */
export interface SnapshotOptions {
  /** How many entries each list has at most: a whole number from 0 to 1000. Default 20. */
  readonly top?: number;
}

/** An event that keeps the handler busy. */
export interface EventUnderWay {
  /** The event's type (`"ping"` and `"pong"` included), or `"init"` for a handler that is starting again. */
  readonly event: string;
  /** The connection of the event; for a subscription to a channel, the connection of the socket. */
  readonly connection?: ConnectionId;
  /** The channel whose handler is busy (`channels`); names of nested channels are joined by a comma, as on the wire. */
  readonly channel?: string;
  /** The id by which the channel's handler knows the connection. */
  readonly subscription?: ConnectionId;
  /** When the handler was called: milliseconds since 1970. */
  readonly since: number;
  /** How many milliseconds ago `since` was. */
  readonly ms: number;
}

/** Rates of a route, each per second, as means over {@link Snapshot.periodMs}. */
export interface RouteRates {
  /** Messages taken from sockets. */
  readonly receivedMessages: number;
  /** Bytes of messages taken from sockets. */
  readonly receivedBytes: number;
  /** Messages handed to sockets, counted per recipient. */
  readonly sentMessages: number;
  /** Bytes of messages handed to sockets. */
  readonly sentBytes: number;
  /** Events with which the handler was done. */
  readonly events: number;
  /**
   * How many milliseconds the handler was busy, events under way included: 1,000 for a handler that is never free, and more for a handler
   * that handles several connections at a time.
   */
  readonly handlerMs: number;
}

/** For how long the route's handler held the event loop of Node without a break, over {@link Snapshot.periodMs}. */
export interface TurnLength {
  /** The mean in milliseconds; 0 without a turn. */
  readonly meanMs: number;
  /** The longest turn in milliseconds. Nothing else of the process ran in the meantime. */
  readonly maxMs: number;
}

/** A route in a snapshot. */
export interface RouteSnapshot {
  /** The path as given in `routes`; `"*"` for a single handler. */
  readonly path: string;
  /** Open connections, including those that are away. */
  readonly connections: number;
  /** Connections that have lost their socket and may come back (option `resume`). */
  readonly away: number;
  /** Connections whose socket is paused because of a full mailbox. */
  readonly paused: number;
  /** Connections over their budget whose socket is not read until there are tokens (option `budget`). */
  readonly resting: number;
  /** Rooms, including those of channels. */
  readonly rooms: number;
  /** Events that wait for the handler, without `eventsResting`. */
  readonly eventsWaiting: number;
  /**
   * For how many milliseconds the oldest of `eventsWaiting` has waited for the handler; 0 if no event waits. The arrival of events is noted from the first
   * snapshot on: an event from before counts from the first snapshot.
   */
  readonly oldestMs: number;
  /** Messages that wait for tokens of a budget, with the events that have to come after such a message. */
  readonly eventsResting: number;
  /** Bytes that wait for peers: messages in outboxes, and what full sockets have not taken. */
  readonly bytesWaiting: number;
  /** Bytes that sessions keep until their peers acknowledge. */
  readonly bytesKept: number;
  /** How many events keep the handler busy. A loop that waits for a message, or goes its own way, is not busy. */
  readonly busy: number;
  /** The events that keep the handler busy, oldest first, `top` at most. */
  readonly underWay: readonly EventUnderWay[];
  /** Absent in the first snapshot. */
  readonly perSecond?: RouteRates;
  /** Absent in the first snapshot. */
  readonly turn?: TurnLength;
}

/** A connection in a list of a snapshot. `id` finds the connection for every verb of the server. */
export interface ConnectionSnapshot {
  /** The id of the connection, as handlers and the log have the id. */
  readonly id: ConnectionId;
  /** The path of the route, as given in `routes`. */
  readonly route: string;
  /** The address of the peer. */
  readonly remoteAddress: string;
  /** How the peer is connected. */
  readonly transport: TransportName;
  /** When the connection was opened: milliseconds since 1970. */
  readonly openedAt: number;
  /** `"away"`: without a socket, and may come back. `"closing"`: either side has closed, and `closed` is not handled yet. */
  readonly state: "open" | "away" | "closing";
  /** The server does not read the socket at present. */
  readonly isPaused: boolean;
  /** The connection is over its budget, and rests until there are tokens (option `budget`). */
  readonly isResting: boolean;
  /** Bytes that wait for the peer: `bufferedAmount`. */
  readonly bytesWaiting: number;
  /** Events of the connection that wait for the handler, those of channels included. */
  readonly eventsWaiting: number;
  /** Messages of the connection that wait for tokens of the budget, with the events that have to come after such a message. */
  readonly eventsResting: number;
  /** For how many milliseconds per second the connection's events kept the handler busy; 0 in the first snapshot. */
  readonly handlerMs: number;
}

/** The connections with the highest figures of a server, highest first. A connection with a figure of 0 is in no list. */
export interface TopConnections {
  /** By `bytesWaiting`: peers that read too slowly. */
  readonly bytesWaiting: readonly ConnectionSnapshot[];
  /** By the sum of `eventsWaiting` and `eventsResting`: peers that send more than the handler, or their budget, can take. */
  readonly eventsWaiting: readonly ConnectionSnapshot[];
  /** By `handlerMs`: peers that take most of the handler's time. Empty in the first snapshot. */
  readonly handlerMs: readonly ConnectionSnapshot[];
}

/** A room in a snapshot. */
export interface RoomSnapshot {
  /** The path of the route, as given in `routes`. */
  readonly route: string;
  /** The channel of the room (`channels`); names of nested channels are joined by a comma, as on the wire. */
  readonly channel?: string;
  /** The name of the room. */
  readonly room: string;
  /** Members on this node. */
  readonly members: number;
}

/**
 * What a server, as a node by itself, is doing: plain JSON. Ids of connections, addresses and names of rooms are in a snapshot; what peers
 * and handlers say, and the rest of a request, are not.
 */
export interface Snapshot {
  /** When the snapshot was begun: milliseconds since 1970. */
  readonly at: number;
  /** How many milliseconds the scan of the connections took, with the turns of the server in between. */
  readonly tookMs: number;
  /**
   * Over how many milliseconds figures per second are means: since the snapshot before, or the one before that if the last was less than half
   * a second ago. Absent in the first snapshot, which begins to measure; measuring stops a minute after the last snapshot.
   */
  readonly periodMs?: number;
  /** The routes, in the order of `server.paths`. */
  readonly routes: readonly RouteSnapshot[];
  /** Each list has `top` connections at most, of every route. */
  readonly top: TopConnections;
  /** The largest rooms, largest first, `top` at most. */
  readonly rooms: readonly RoomSnapshot[];
  /** The server's part in the cluster: only with `cluster`. */
  readonly cluster?: ClusterStats;
}
