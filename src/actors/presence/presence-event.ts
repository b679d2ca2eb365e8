/** The events of presence in a mailbox, with the cause of each: a connection of this node, which is charged for a failure of the handler, or none. */
import type { Connection } from "../../api/connection.js";
import type { ChangedEvent, JoinedEvent, LeftEvent } from "../../api/events.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { MailboxEvent } from "../route/mailbox-event.js";

/** An event about a key in a room. */
export type PresenceEvent = JoinedEvent | ChangedEvent | LeftEvent;

/** Keeps no connection alive: the program may store events. */
export interface EventCause {
  /** Whose code the handler's code for the event is. */
  readonly owner: LeakOwner;
  /** @returns `undefined` if a connection of another node has caused the event, or a connection that has gone */
  find(): Connection | undefined;
}

/** Kept beside the event, which the handler gets and may store. */
const causes = new WeakMap<MailboxEvent, EventCause>();

export function createPresenceEvent(event: PresenceEvent, cause: EventCause): PresenceEvent {
  const frozen = Object.freeze(event);
  causes.set(frozen, cause);
  return frozen;
}

/** @returns `undefined` for an event of another kind */
export function causeOf(event: MailboxEvent): EventCause | undefined {
  return causes.get(event);
}
