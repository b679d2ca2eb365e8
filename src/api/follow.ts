/** What `connection.follow` is asked for, and what it answers (option `history`). */

/** What is asked of a room: the newest messages, or the messages after a position. */
export type FollowFrom =
  | {
      /** The number of the newest messages, at most `history.maxMessages`; 0 for none. */
      readonly last: number;
    }
  | {
      /** The position of the last message that the client has. Anything that is no position, `undefined` and `null` too, has the outcome `"unknown"`. */
      readonly after: string | null | undefined;
    };

/** What `connection.follow` has done. */
export type FollowResult =
  | {
      /**
       * `"complete"`: everything that was asked for is sent. `"gap"`: too much is gone, and nothing is sent. `"unknown"`: the position is of another
       * epoch, room or store, or none, and nothing is sent. In each case the connection is a member now, and gets what comes.
       */
      readonly outcome: "complete" | "gap" | "unknown";
      /** The number of messages sent. */
      readonly count: number;
      /**
       * The position of the room's last message before those that come; without messages, the start of the room. After `"gap"` and `"unknown"` of use to a
       * client that has forgotten everything.
       */
      readonly position: string;
    }
  | {
      /** The connection has gone, is in `maxRoomsPerConnection` rooms, or has left the room meanwhile. */
      readonly outcome: "refused";
      /** Nothing is sent. */
      readonly count: 0;
      /** None. */
      readonly position: undefined;
    };
