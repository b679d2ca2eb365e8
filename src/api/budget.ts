/** The option `budget` of a route: how much each client may ask of the handler. */
import type { Connection, ConnectionData, Params } from "./connection.js";

/**
 * How much a client may ask of the handler. What is beyond the budget waits unread: the client is slowed down, and loses nothing. Each limit is a
 * token bucket, which is full at first. 0 is no limit. A budget for which neither the route nor the options at the top have a limit (0 included) is
 * refused with `BAD_OPTION`.
 */
export interface BudgetOptions<D = ConnectionData, P = Params> {
  /** Messages a second that reach the handler; pings and pongs do not count. Fractions are fine: 0.1 is a message in ten seconds. Default 0. */
  readonly messagesPerSecond: number;
  /**
   * Bytes of messages a second, uncompressed. A message longer than the burst is taken once the bucket is full, and the next messages wait
   * until its bytes are paid for. Default 0.
   */
  readonly bytesPerSecond: number;
  /**
   * Milliseconds a second for which the handler may be busy with the client's events: 250 is a quarter of the time. The time counts from the call of the
   * handler until its promise has settled, and is known afterwards: the event that goes beyond is finished, and the next messages wait. Messages of a
   * client are let into the mailbox one at a time. Default 0.
   */
  readonly handlerMsPerSecond: number;
  /** How many seconds' worth a bucket holds: the most that may come at once after a silence. Default 2. */
  readonly burstSeconds: number;
  /**
   * What happens beyond the budget. `"pause"`: the client's socket is not read until there are tokens; what has been read waits in order.
   * `"drop"`: the message is dropped and counted (`stats().overBudget`). `"close"`: the connection is closed with 1008 "over budget". Default
   * `"pause"`.
   */
  readonly over: "pause" | "drop" | "close";
  /**
   * Names the bucket of a connection: connections with the same name share a bucket and get tokens in turns. Called once for each
   * connection, before its `open`. A throw, or an answer that is not a string, is a failure in `stats().failures`, and closes the connection with
   * 1011. Default: each connection has a bucket of its own.
   */
  // The type of a method: connections with other data stay assignable.
  readonly key: { key(connection: Connection<D, P>): string }["key"];
}
