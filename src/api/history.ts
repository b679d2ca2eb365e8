/** History: what was kept in a room. The option `history` of a route, and what the bus and connections answer. */
import type { Data } from "./connection.js";
import type { HistoryLimits, HistoryStore } from "./history-store.js";

/** What is kept of a room's messages, for newcomers, reloads and restarts. `true` or `{}` turns history on with the defaults. */
export interface HistoryOptions extends HistoryLimits {
  /** Where messages are kept: in memory, `sqlite({ file })` of `sendall/sqlite`, or for several nodes `redisHistory({ url })` of `sendall/redis` or `jetstream({ servers })` of `sendall/nats`. Routes that share a store, made once, have the same limits; the path of a route is part of the names of rooms in the store. Default: in memory. */
  readonly store: HistoryStore;
  /** The number of messages kept in a room; beyond, the oldest goes. Default 100. */
  readonly maxMessages: number;
  /** The bytes of the messages kept in a room; beyond, the oldest goes. A message of any size is kept alone. Default 1 MiB. */
  readonly maxBytes: number;
  /** How long a message is kept; a message of exactly this age is still there. Default 300,000 ms. */
  readonly maxAgeMs: number;
  /** The number of rooms of which something is kept; beyond, the room goes whose last message is oldest. Default 10,000. */
  readonly maxRooms: number;
  /**
   * Puts the position of a kept message into the message, so that clients can say later what they have: what members and followers get is the result.
   * Pure: called once for each message, as the message is delivered, or again as it is replayed. Bytes come as a `Buffer`. A throw, or a result that
   * is no message, is a failure in `stats().failures`, and the message goes as it is. Default: messages go as they are.
   */
  readonly stamp: (data: string | Buffer, position: string) => Data;
}

/** What is asked of `bus.history`: without a key, everything that is kept. */
export interface HistoryRange {
  /** The position after which the messages are asked for. */
  readonly after?: string | null | undefined;
  /** The number of the newest messages. */
  readonly last?: number | undefined;
}

/** A message that was kept, as it was sent: without what `history.stamp` adds. */
export interface HistoryMessage {
  /** Where the message stands in its room: an opaque string. Positions of one epoch sort as strings. */
  readonly position: string;
  /** The message; bytes are a copy. */
  readonly data: string | Buffer;
  /** When the message was sent: milliseconds since 1970, with a fraction. */
  readonly at: number;
}

/** What `bus.history` answers. */
export interface HistoryResult {
  /** As `outcome` of `FollowResult`. Without `after` always `"complete"`: all that the store has. */
  readonly outcome: "complete" | "gap" | "unknown";
  /** Oldest first; empty unless `outcome` is `"complete"`. */
  readonly entries: readonly HistoryMessage[];
}
