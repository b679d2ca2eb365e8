/** What the handlers of a server do, told as it happens: a test runtime and its explorer watch a run by it. */
import type { ConnectionId } from "../../api/connection.js";
import type { Failure } from "../../api/stats.js";
import type { MailboxEvent } from "./mailbox-event.js";

/** Called within the step that it tells of, so it MUST NOT throw. */
export interface HandlerObserver {
  /** The user's code is called next, for this event. */
  handling(event: MailboxEvent): void;
  /** @param thrown what the failure keeps a copy of */
  failed(failure: Failure, thrown: unknown): void;
}

/** An event that a handler has not finished. */
export interface UnfinishedEvent {
  /** The event's type, or `"init"`. */
  readonly event: string;
  /** Absent for an event of no connection. */
  readonly connection: ConnectionId | undefined;
}
