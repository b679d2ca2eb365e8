/**
 * The contract of a store of history, for authors of stores. A server opens the stores of its routes when the server starts, and closes the
 * stores when the server closes. Sendall's own stores keep messages in memory, and in a file of SQLite (`sendall/sqlite`).
 */
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** How much a store keeps, as the option `history` of the routes says. */
export interface HistoryLimits {
  /** The number of messages of a room beyond which the oldest goes. */
  readonly maxMessages: number;
  /** The bytes of the messages of a room beyond which the oldest goes; the newest message is kept, whatever its size. */
  readonly maxBytes: number;
  /** How long a message is kept, in milliseconds. */
  readonly maxAgeMs: number;
  /** The number of rooms beyond which the room goes whose last message is oldest, rooms without messages first. */
  readonly maxRooms: number;
}

/** The server that a store serves: its facts, and the calls by which the store reports to the server. */
export interface HistoryHost extends HistoryLimits {
  /** The server's clock: the time by which messages age, and alarms for the store's own use. */
  readonly clock: Clock;
  /** The server's log. */
  readonly log: Logger;
  /** Makes a name that was never used before, for an epoch: 12 of the characters `0`-`9` and `a`-`f`. */
  newEpoch(): string;
  /** Calls `step` at the end of the present turn, before what the turn sends is written to sockets; each call of `atTurnEnd` calls once. */
  atTurnEnd(step: () => void): void;
  /**
   * Messages that the store has taken are lost. The store MUST NOT answer `"complete"` over such a message. A store with `subscribe` reports messages
   * that the engine has refused, or that were on the way when the connection broke: the latter may have come into the order all the same, once.
   */
  lost(count: number, error: unknown): void;
}

/** A message as a store gets it. */
export interface MessageToKeep {
  /**
   * The room, by a name that no other room of the server has: at most 1,024 of the characters `A`-`Z` `a`-`z` `0`-`9` `%` `@` `#` `_` `-` and
   * `.`, without empty parts between dots.
   */
  readonly room: string;
  /** The message: UTF-8, or bytes if `isBinary`. Nobody changes the bytes, and a store that answers with the same object saves a copy. */
  readonly bytes: Uint8Array;
  /** Whether the message is bytes, not text. */
  readonly isBinary: boolean;
  /** The id of the connection that does not get the message; absent if every member gets it. */
  readonly source?: string;
  /** When the message was sent: milliseconds since 1970, by the clock of the server that sent the message. */
  readonly at: number;
}

/** A message as a store has it. */
export interface StoredMessage extends MessageToKeep {
  /**
   * Where the message stands in its room. Positions sort as strings within an epoch, and each names its epoch: what stands before the last `-`. At
   * most 512 characters.
   */
  readonly position: string;
}

/** What is asked of a store. */
export interface HistoryQuery {
  /** The position after which the messages are asked for; any string, since clients choose it. Absent with `last`. */
  readonly after?: string;
  /** The number of the newest messages that are asked for. Absent with `after`. */
  readonly last?: number;
  /** The reader MUST NOT see more messages than this, and `after` a position further back is a gap. */
  readonly limit: number;
}

/** What a store answers. */
export interface HistoryReading {
  /**
   * `"complete"`: `entries` are all that was asked for. With `last` always `"complete"`. With `after`, `"complete"` MUST be said if and only if the
   * entry at the position is still there, or the position is the start of the room in the present epoch and nothing of the room has gone since; in
   * each case within `limit`. Else `"gap"` if the position is of the present epoch, and `"unknown"` if not, or if the string is no position.
   */
  readonly outcome: "complete" | "gap" | "unknown";
  /** In order, without holes; empty unless `outcome` is `"complete"`. */
  readonly entries: readonly StoredMessage[];
  /** The position of the last message of the room; without messages, the start of the room. An `after` with it MUST be `"complete"` until something goes. */
  readonly position: string;
}

/**
 * Keeps the messages of rooms: what the option `history.store` takes. An author of a store tests it with `testHistoryStore` of
 * `sendall/testing/history-store`.
 *
 * Each message that a store has taken has a position in its room. An epoch is a time in which a store can tell what is missing: a store that has lost
 * messages, or that may have, MUST begin a new epoch, at least for the rooms of these messages. A position MUST NOT be given to two messages, also
 * after a restart.
 */
export interface HistoryStore {
  /** Names the store in errors and logs: `"sqlite"`. Default `"store"`. */
  readonly name?: string;
  /**
   * Called once by each server, before any other call. If the store cannot be reached, `open` MUST throw or reject with an error that says what to do.
   * After `close` the store MAY be opened again.
   */
  open?(host: HistoryHost): void | Promise<void>;
  /**
   * Takes a message. MUST NOT throw or wait: what has to be written, is written later, in the order of the calls, and a `read` that is called later MUST see
   * the message. A store without `subscribe` MUST return the position, or `undefined` if it cannot take the message, say because more than 16 MiB wait;
   * then the room's earlier positions MUST NOT be answered with `"complete"` any more. A store with `subscribe` MUST return `undefined`: the position comes
   * with the message, through `subscribe`.
   */
  append(entry: MessageToKeep): string | undefined;
  /** Reads a room, as of the call. The answer MAY be a promise. Rejects if the store cannot be reached. */
  read(room: string, query: HistoryQuery): HistoryReading | Promise<HistoryReading>;
  /**
   * For a store with `subscribe`: whether messages can be taken now. While `isUp` is `false`, `append` is not called. Asked before each `append`, so the
   * answer MUST cost nothing. Default `true`.
   */
  readonly isUp?: boolean;
  /**
   * For a store that several nodes share, and that puts the messages of all nodes into one order: hands each message of the room that is appended from
   * now on to `onEntry`, also the node's own, once, in the order of the room, with the position that readings tell. The promise MUST resolve when the
   * store has confirmed, with a function that ends the subscription; messages MAY come earlier. While the engine cannot be reached the promise waits; the
   * promise rejects if the engine refuses, and when the store is closed.
   *
   * What a `read` that is called after the confirmation tells, and what `onEntry` gets, MUST cover every message; both MAY tell the same message.
   *
   * After a break of the connection the store MUST subscribe again by itself, and MUST hand over what was missed, in order, before what is new. If the
   * store cannot tell that nothing is missing, the store goes on with what is new, and logs a warning. A message whose `append` came before a break MUST
   * NOT be told behind a message whose `append` came after the break. Several subscriptions of a room MAY exist at a time.
   */
  subscribe?(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void>;
  /** Lets go what is older than `maxAgeMs`, and what is beyond the other limits. Called from time to time while there may be something to let go. */
  trim(): void | Promise<void>;
  /** Writes what waits, and lets go all that belongs to the process. Called once for each `open`, and without `open` once for each server. */
  close(): void | Promise<void>;
}
