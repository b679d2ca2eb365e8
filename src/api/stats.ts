/** The numbers of a server: what `stats()` returns. */
import type { ConnectionId } from "./connection.js";

/** One failure of the handler, as {@link Stats.failures} lists it. */
export interface Failure {
  /** When: milliseconds since 1970. */
  readonly at: number;
  /**
   * The event's type (`"ping"` and `"pong"` among them), or `"init"`, `"stop"`, `"rejection"` for a promise that nothing
   * awaited, `"exception"` for a throw outside the event's own call (in a timer, say), `"loop"` and `"logic"` for what a loop or machine
   * has thrown between two events.
   */
  readonly event: string;
  /** Whose event it was. */
  readonly connection?: ConnectionId;
  /**
   * What was thrown, as a copy that keeps nothing else alive: an `Error` with its `name`, its `message` (cut to 1 KiB), its `stack` (cut
   * to 4 KiB) and its `code` if it has one, so of the classes of JavaScript itself or a `SendallError`, or else a plain
   * `Error`. A string is cut to 1 KiB; what is neither error nor primitive is told in words. The log has the error with its causes.
   */
  readonly error: unknown;
  /** The event's data, cut to 1 KiB; absent with `supervise.keepData: false`. */
  readonly data?: unknown;
}

/** What a server's link to its cluster does: only `"up"` carries messages, and only then is the server ready. */
export type LinkState = "connecting" | "subscribing" | "up" | "down" | "closed";

/** Numbers of a server's part in its cluster; totals since the start, unless they say otherwise. */
export interface ClusterStats {
  /** Names this node: what the ids of its connections begin with. */
  readonly node: string;
  /** The link to the engine, now. */
  readonly link: LinkState;
  /** Subjects that this node hears, confirmed by the engine, now: its own, and one for each route and room with members. */
  readonly subscriptions: number;
  /** Messages handed to the engine. */
  readonly published: number;
  /** Messages of other nodes taken in. */
  readonly received: number;
  /** Messages of this node that the link did not take, because it was down, or they were too large: no other node got them. */
  readonly unsent: number;
  /** Messages that other nodes have sent and that did not arrive, as gaps in their numbers show. */
  readonly missed: number;
  /** `unsent` and `missed` together. */
  readonly lost: number;
  /** Packets that were no good: of another version, from a stranger, garbage, or come a second time. */
  readonly rejected: number;
}

/** Numbers of a server, or of one route of it. */
export interface Stats {
  /** Open connections, now. */
  readonly connections: number;
  /** Rooms, now. */
  readonly rooms: number;
  /** Connections whose socket is paused because their mailbox is full, now. */
  readonly paused: number;
  /** Messages and their bytes taken from sockets since the start. */
  readonly received: { readonly messages: number; readonly bytes: number };
  /**
   * Messages and their bytes handed to sockets since the start (one per recipient), frames encoded (one per message), and
   * socket writes that carried messages.
   */
  readonly sent: {
    readonly messages: number;
    readonly bytes: number;
    readonly frames: number;
    readonly writes: number;
  };
  /** Messages that slow consumers did not get. */
  readonly dropped: number;
  /** Messages to connections that had gone. */
  readonly deadLetters: number;
  /** Upgrades refused. */
  readonly refused: number;
  /** How often a connection became a slow consumer. */
  readonly slowConsumers: number;
  /** The handler's last 100 failures, oldest first. */
  readonly failures: readonly Failure[];
  /** With `cluster`, of the server: its part in the cluster. */
  readonly cluster?: ClusterStats;
}
