/**
 * The view of a connection for a bus: `Member` is what the bus of a route needs of a connection. Implemented by `LiveConnection`,
 * and by the subscriptions of channels.
 */
import type { Connection, Data } from "../../api/connection.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { Burst } from "./burst.js";
import type { ConnectionQueue } from "./connection-queue.js";

/** The result of offering a message to a connection's outbox. */
export type Outcome = "queued" | "dropped" | "dead";

export interface Outbox {
  readonly isOpen: boolean;
  /** @returns `"dead"` if the connection is not open */
  offer(frame: Frame): Outcome;
  /**
   * Lets a burst wait, with the frames that it has and those that it gets: all of them are queued. Absent for subscriptions.
   * @returns `false` if the frames have to be offered one by one
   */
  takeBurst?(burst: Burst): boolean;
  /**
   * Takes what was kept for followers, however much, and writes the frames as the socket takes them; what is offered from now on follows.
   * @returns how many frames were taken: none if the connection is not open, and no bytes where the transport is text-only; `undefined` if
   * the bytes that wait of earlier replays make the connection a slow consumer
   */
  replay(frames: readonly Frame[]): number | undefined;
}

export interface Member extends Connection {
  /** The connection is open and the handler has seen `open`: no message arrives before the handler could greet the peer. */
  readonly isTarget: boolean;
  readonly outbox: Outbox;
  /** The connection of the socket, for a subscription; absent for a connection. */
  readonly carrier?: Connection;
  /** Receives what the handler leaks in the connection's events. */
  readonly leakOwner: LeakOwner;
  /** The waiting events in the mailbox of the route. */
  readonly queue: ConnectionQueue;
  /** Posts an `info` event about the connection. */
  tell(data: unknown): boolean;
  /** Posts an `info` event for every connection: counts as waiting for this connection alone. */
  forward(data: unknown): boolean;
  /** Sends an unsolicited pong (RFC 6455 section 5.5.3). */
  pong(data?: Data): boolean;
  /** Stops reading the socket until `resume` has been called as often as `pause`. */
  pause(): void;
  resume(): void;
  /** The socket is paused by our side, so the peer's silence means nothing. */
  readonly isPaused: boolean;
  /** Messages of the peer wait for the handler: the peer is not silent. */
  readonly hasWaitingMessages: boolean;
}
