/** A connection as the bus of its route sees it. */
import type { Connection, Data } from "../../api/connection.js";
import type { Frame } from "../../transport/frame.js";

/** What became of a message at one connection's outbox. */
export type Outcome = "queued" | "dropped" | "dead";

/** A connection as the bus sees it. */
export interface Member extends Connection {
  /** Open, and its `open` event has come to the handler: nobody gets a message before its `open` could greet it. */
  readonly isTarget: boolean;
  /** Takes a frame into the outbox. */
  offer(frame: Frame): Outcome;
  /** Posts an `info` event about it. */
  tell(data: unknown): boolean;
  /** Posts an `info` event that was meant for all: it counts as waiting for this connection alone. */
  forward(data: unknown): boolean;
  /** Sends a pong that no ping has asked for (RFC 6455 section 5.5.3). */
  pong(data?: Data): boolean;
  /** Its socket is read no more until `resume`, called as often. */
  pause(): void;
  resume(): void;
  /** Somebody has paused it: its silence is ours. */
  readonly isHeld: boolean;
  /** Messages of its peer wait for the handler: it is not silent. */
  readonly hasWaiting: boolean;
}
