/**
 * The contract between the presence of a bus and the other nodes: each node owns the entries of its connections, and holds copies of the
 * other nodes' entries for the rooms in which this node has members or entries. Both sides last as long as the route or the channel of the bus.
 */
import type { Json } from "../../api/json.js";

/** What a node knows of one key in one room, from the connections of that node alone. Times are milliseconds since 1970 by that node's clock. */
export interface PresenceEntry {
  readonly key: string;
  /** The info of the node's latest connection; in grace the last info. Never changed in place. */
  readonly info: Json;
  /** When `info` was shown. */
  readonly infoAt: number;
  /** Whether a connection has shown the info by itself; the answer of `presence.info` gives way to such an info. */
  readonly isShown: boolean;
  /** When the key came to the room on this node. */
  readonly since: number;
  /** 0 for a key in grace. */
  readonly connections: number;
  /** Whether there are connections, and each is away. */
  readonly away: boolean;
}

/** The presence of a bus, as the cluster sees it. Implemented by `actors/presence/`. */
export interface PresenceOwner {
  /** The entries of this node, those in grace included. */
  entriesOf(room: string): Iterable<PresenceEntry>;
  /** Whether this node has a member or an entry in the room, and so holds copies. */
  follows(room: string): boolean;
  /** The rooms that this node follows. */
  rooms(): Iterable<string>;
  /** Copies of these keys have come, changed or gone. Never throws. */
  onCopiesChanged(room: string, keys: Iterable<string>): void;
}

/** The entries of another node in a room. */
export interface PresenceCopy {
  /** 12 hexadecimal digits. */
  readonly node: string;
  readonly entries: ReadonlyMap<string, PresenceEntry>;
}

/** The other nodes, as the presence of a bus sees them. */
export interface SharedPresence {
  /** This node's id: 12 hexadecimal digits. */
  readonly node: string;
  /**
   * Tells the other nodes of entries of this node: `undefined` for an entry that has gone. MUST be called once per room and turn at most,
   * with the entries as `PresenceOwner.entriesOf` has them from now on.
   */
  publish(room: string, changes: ReadonlyMap<string, PresenceEntry | undefined>): void;
  /** The copies of a room; empty for a room that this node does not follow. */
  copiesOf(room: string): Iterable<PresenceCopy>;
  /** MUST be called when this node begins to follow the room. */
  follow(room: string): void;
  /** MUST be called when this node follows the room no longer: the copies go, without `onCopiesChanged`. */
  forget(room: string): void;
  /** Says goodbye to the other nodes, and cancels every timer. */
  stop(): void;
}
