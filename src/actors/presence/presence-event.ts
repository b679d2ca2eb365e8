/** The events of presence in a mailbox, with the connection that caused each: the connection is charged for a failure of the handler. */
import type { Connection } from "../../api/connection.js";
import type { ChangedEvent, JoinedEvent, LeftEvent } from "../../api/events.js";
import type { MailboxEvent } from "../route/mailbox-event.js";

/** An event about a key in a room. */
export type PresenceEvent = JoinedEvent | ChangedEvent | LeftEvent;

/** Kept beside the event, which the handler gets and may store. */
const causes = new WeakMap<MailboxEvent, Connection>();

export function isPresenceEvent(event: MailboxEvent): event is PresenceEvent {
  return event.type === "joined" || event.type === "changed" || event.type === "left";
}

/** @param cause absent if a connection of another node has caused the event, or a connection that has gone */
export function createPresenceEvent(event: PresenceEvent, cause: Connection | undefined): PresenceEvent {
  const frozen = Object.freeze(event);
  if (cause !== undefined) causes.set(frozen, cause);
  return frozen;
}

export function causeOf(event: MailboxEvent): Connection | undefined {
  return causes.get(event);
}
