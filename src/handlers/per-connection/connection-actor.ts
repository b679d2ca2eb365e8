/** The contract of the actors of `perConnection`. */
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";

/** What handles the events of one connection. */
export interface ConnectionActor {
  handle(event: MailboxEvent): unknown;
  /** It has failed: of what still comes it is told `closed` at most. */
  crash(): void;
}
