/** A connection as the bus of its route sees the connection. */
import type { Connection, Data } from "../../api/connection.js";
import type { Frame } from "../../transport/frame.js";

/** What became of a message at one connection's outbox. */
export type Outcome = "queued" | "dropped" | "dead";

export interface Outbox {
  /** @returns `"dead"` if the connection is not open */
  offer(frame: Frame): Outcome;
}

export interface Member extends Connection {
  /** The bus that the member belongs to. */
  readonly home: object;
  /** The connection is open and its `open` event has come to the handler: no message arrives before `open` could greet the peer. */
  readonly isTarget: boolean;
  readonly outbox: Outbox;
  /** Posts an `info` event about the connection. */
  tell(data: unknown): boolean;
  /** Posts an `info` event that was meant for all connections: the event counts as waiting for this connection alone. */
  forward(data: unknown): boolean;
  /** Sends a pong that no ping has asked for (RFC 6455 section 5.5.3). */
  pong(data?: Data): boolean;
  /** Stops reading the socket until `resume` has been called as often as `pause`. */
  pause(): void;
  resume(): void;
  /** The socket is paused, so the peer's silence is ours. */
  readonly isHeld: boolean;
  /** Messages of the peer wait for the handler: the peer is not silent. */
  readonly hasWaiting: boolean;
}
