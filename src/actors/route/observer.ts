/**
 * The observer of a server's handlers, called at each event and each failure. The test runtime and the explorer use an observer
 * to watch a run, for the life of the server.
 */
import type { ConnectionId } from "../../api/connection.js";
import type { Failure } from "../../api/stats.js";
import type { MailboxEvent } from "./mailbox-event.js";

/** Called within the observed step, so methods MUST NOT throw. */
export interface HandlerObserver {
  /** The user's code is about to handle the event. */
  handling(event: MailboxEvent): void;
  /** @param thrown the original value, copied in `failure` */
  failed(failure: Failure, thrown: unknown): void;
}

/** An event not yet finished by a handler. */
export interface UnfinishedEvent {
  /** The event's type, or `"init"`. */
  readonly event: string;
  /** Absent for an event without a connection. */
  readonly connection: ConnectionId | undefined;
}
