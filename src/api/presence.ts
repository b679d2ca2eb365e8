/** Presence: who is in a room. The option `presence` of a route, and what the bus and the events tell of it. */
import type { Connection, ConnectionData, Data, Params } from "./connection.js";
import type { Json } from "./json.js";

/** Who is in a room, and who is told. `true` or `{}` turns presence on with the defaults. */
export interface PresenceOptions<D = ConnectionData, P = Params> {
  /**
   * Names the person behind a connection, in 1 to 1,024 characters: connections with the same key, such as the tabs of a person, are present once.
   * Called at `join`, and kept. A throw, or an answer that is no such name, is a failure in `stats().failures`, and the connection's id serves as key.
   * Default: the connection's id.
   */
  // The types of methods: connections with other data stay assignable.
  readonly key: { key(connection: Connection<D, P>): string }["key"];
  /**
   * What is told of the connection until the first `connection.show`. Called at `join`. A throw, or an answer that is not JSON or too long, is a
   * failure in `stats().failures`, and `null` is told. Default: `null`.
   */
  readonly info: { info(connection: Connection<D, P>): Json }["info"];
  /** How long a key stays present after its last connection has gone, so that a reload is no news. Default 5,000 ms. */
  readonly graceMs: number;
  /** The number of bytes of an info, as JSON in UTF-8. Default 1,024. */
  readonly maxInfoBytes: number;
  /**
   * The number of keys in a room that are listed. A room that goes beyond has notices of type `"count"`, at most one a second, until its last member
   * on this node has left. Default 1,000.
   */
  readonly maxListed: number;
  /**
   * Turns news of a room into a message for the room's members on this node; `undefined` sends nothing. Every node has a `notice` of its own, so
   * that each client hears once. Default: nothing is sent.
   */
  readonly notice: (notice: PresenceNotice) => Data | undefined;
}

/** News of a room, for `presence.notice`. */
export type PresenceNotice =
  | {
      /** A key's first connection has come, a key has another info, a key's last connection has been gone for `graceMs`. */
      readonly type: "joined" | "changed" | "left";
      /** The room. */
      readonly room: string;
      /** Who: the answer of `presence.key`. */
      readonly key: string;
      /** What the key shows: the answer of `presence.info`, or what `connection.show` was given. */
      readonly info: Json;
      /** The number of keys in the room after the change. */
      readonly count: number;
    }
  | {
      /** The number of keys has changed in a room with more than `presence.maxListed`. */
      readonly type: "count";
      /** The room. */
      readonly room: string;
      /** The number of keys in the room. */
      readonly count: number;
    };

/** A key that is present in a room. */
export interface PresentKey {
  /** Who: the answer of `presence.key`. */
  readonly key: string;
  /** What the key shows. Of several connections the latest counts. */
  readonly info: Json;
  /** The number of open connections on all nodes; 0 for a key whose last connection has gone within `presence.graceMs`. */
  readonly connections: number;
  /** Whether the key has connections, and each of them is away (option `resume`). */
  readonly away: boolean;
  /** Since when the key is present: milliseconds since 1970 by the clock of the node where the key came. */
  readonly since: number;
}

/** How many are present in a room. */
export interface PresentCount {
  /** The number of keys, listed or not. */
  readonly keys: number;
  /** The number of connections of the keys. */
  readonly connections: number;
}
