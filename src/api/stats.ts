/** The numbers of a server, as `stats()` returns the numbers at the time of the call. */
import type { ClosedBy, ConnectionId } from "./connection.js";

/** A failure of the handler, as listed in {@link Stats.failures}. */
export interface Failure {
  /** When the failure happened: milliseconds since 1970, with a fraction. */
  readonly at: number;
  /**
   * The event's type (`"ping"` and `"pong"` included), or `"init"`, `"stop"`, `"rejection"` for a promise that nothing awaited,
   * `"exception"` for a throw outside the event's own call (in a timer, say), `"loop"` and `"logic"` for a throw of a loop or machine
   * between two events.
   */
  readonly event: string;
  /** The connection of the event. */
  readonly connection?: ConnectionId;
  /**
   * The thrown value, as a copy that keeps nothing else alive. The copy of an error has `name`, `message` (cut to 1 KiB), `stack` (cut to
   * 4 KiB) and, if present, `code`; classes of JavaScript itself and `SendallError` are kept, an error of any other class becomes a plain
   * `Error`. A string is cut to 1 KiB; a value that is neither error nor primitive is described in words. The log has the error
   * with its causes.
   */
  readonly error: unknown;
  /** The event's data, cut to 1 KiB; absent with `supervise.keepData: false`. */
  readonly data?: unknown;
}

/** The state of a server's link to its cluster: only `"up"` carries messages, and only then is the server ready. */
export type LinkState = "connecting" | "subscribing" | "up" | "down" | "closed";

/** Numbers of a server's part in its cluster; totals since the start, unless described as of now. */
export interface ClusterStats {
  /** The name of this node, with which the ids of its connections begin. */
  readonly node: string;
  /** The state of the link to the engine, now. */
  readonly link: LinkState;
  /**
   * Subjects that this node hears, confirmed by the engine, now: the node's own subject, and a subject for each route and for each room
   * with members.
   */
  readonly subscriptions: number;
  /** Messages handed to the engine. */
  readonly published: number;
  /** Messages received from other nodes. */
  readonly received: number;
  /** Messages of this node that the link did not take, because the link was down or the message too large: no other node got them. */
  readonly unsent: number;
  /** Messages from other nodes that did not arrive, as gaps in the numbering show, and kept messages of this node that did not come back. */
  readonly missed: number;
  /** `unsent` and `missed` together. */
  readonly lost: number;
  /** Invalid packets: of another version, from a stranger, garbage, or received a second time. */
  readonly rejected: number;
}

/** How many connections have ended with one close code and by one side. */
export interface ClosedCount {
  /** The close code; `"other"` for the codes beyond the first 64 pairs of code and side, since peers choose their codes. */
  readonly code: number | "other";
  /** The side that ended the connections. */
  readonly by: ClosedBy;
  /** Connections ended so, since the start. */
  readonly count: number;
}

/** How many upgrades were refused with one HTTP status. */
export interface RefusedCount {
  /** The HTTP status. */
  readonly status: number;
  /** Upgrades refused so, since the start. */
  readonly count: number;
}

/**
 * Why messages were dropped: by the slow-consumer policy of the route (`"close"` drops the message that closes the connection),
 * `"text"` for bytes to a peer that takes only text, `"gap"` for what a session taken up again finds missing.
 */
export type DropReason = "close" | "dropOldest" | "dropNewest" | "text" | "gap";

/** Numbers of a server, or of a single route. */
export interface Stats {
  /** Open connections, now, including those that are away: `opened` less `closed`. */
  readonly connections: number;
  /** Connections that have lost their socket and may come back (option `resume`), now. */
  readonly away: number;
  /** Connections opened since the start. */
  readonly opened: number;
  /** Connections ended since the start. */
  readonly closed: number;
  /** `closed` by close code and side, in the order in which the pairs first came. */
  readonly closedBy: readonly ClosedCount[];
  /** Rooms, now. */
  readonly rooms: number;
  /** Events that wait for the handler, now, without `restingEvents`. */
  readonly mailboxEvents: number;
  /** Connections over their budget whose socket is not read until there are tokens (option `budget`), now. */
  readonly resting: number;
  /** Messages that wait for tokens of a budget, now, with the events that have to come after such a message. */
  readonly restingEvents: number;
  /** Bytes that wait for peers, now: messages in outboxes, and what full sockets had not taken at their last write. */
  readonly outboxBytes: number;
  /** Bytes that sessions keep until their peers acknowledge, now. */
  readonly keptBytes: number;
  /** Connections whose socket is paused because of a full mailbox, now. */
  readonly paused: number;
  /** Messages taken from sockets since the start, in number and in bytes. */
  readonly received: { readonly messages: number; readonly bytes: number };
  /**
   * Since the start: messages handed to sockets (counted per recipient), in number and in bytes, frames encoded (a single frame per
   * message), and socket writes that carried messages.
   */
  readonly sent: {
    readonly messages: number;
    readonly bytes: number;
    readonly frames: number;
    readonly writes: number;
  };
  /** Messages that slow consumers did not get, and those that a session taken up again finds missing. */
  readonly dropped: number;
  /** `dropped` by reason. */
  readonly droppedBy: Readonly<Record<DropReason, number>>;
  /** Messages to connections that had gone. */
  readonly deadLetters: number;
  /** Messages that the store of the option `history` has taken, since the start; a message that is lost later is in `unkept` as well. */
  readonly kept: number;
  /** Messages that were to be kept and are not, since the store could not take the message, or has lost it. */
  readonly unkept: number;
  /** Upgrades refused. */
  readonly refused: number;
  /** `refused` by HTTP status. */
  readonly refusedBy: readonly RefusedCount[];
  /** How often a connection became a slow consumer. */
  readonly slowConsumers: number;
  /** How often a peer took up a session again, with a gap or without. */
  readonly resumed: number;
  /** Sessions that ended because the peer was away too long, too many were away, or the peer has moved to another node. */
  readonly expired: number;
  /** How often a session was taken up again with a gap: the peer was told how many messages are lost. */
  readonly gaps: number;
  /** Messages that were taken in and never handled, since the server had closed the connection. */
  readonly discarded: number;
  /** Messages that the protocol of the handler does not know, or whose payload a schema refuses (`sendall/protocol`). */
  readonly invalid: number;
  /**
   * How often a connection was over its budget (option `budget`): rests under `"pause"`, dropped messages under `"drop"`, closed connections under
   * `"close"`.
   */
  readonly overBudget: number;
  /** Failures of the handler since the start, of which `failures` lists the last. */
  readonly handlerFailures: number;
  /** The handler's last 100 failures, oldest first. */
  readonly failures: readonly Failure[];
  /** The server's part in the cluster: only with `cluster`, and only of the server as a whole. */
  readonly cluster?: ClusterStats;
}
