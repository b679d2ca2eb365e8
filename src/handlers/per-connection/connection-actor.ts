/** The contract between `per-connection.ts` and the actors of connections, `ModuleActor` and `LoopActor`. */
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";

/** Handles the events of a single connection, from `open` to `closed`. */
export interface ConnectionActor {
  handle(event: MailboxEvent): unknown;
  /** Marks the actor as failed: from now on the actor handles at most `closed`. */
  crash(): void;
}
