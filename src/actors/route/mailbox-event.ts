/** The events in a mailbox: events for handlers, and control frames. An event lasts until the handler has handled the event. */

import type { Connection } from "../../api/connection.js";
import type { ServerEvent } from "../../api/events.js";

/**
 * A control frame of the peer (RFC 6455 section 5.5), for the `ping` and `pong` of a `perConnection` handler; other handlers get
 * none.
 */
export interface ControlEvent {
  readonly type: "ping" | "pong";
  readonly connection: Connection;
  readonly data: Buffer;
}

/** Any event in a mailbox. */
export type MailboxEvent = ServerEvent | ControlEvent;

export function isControl(event: MailboxEvent): event is ControlEvent {
  return event.type === "ping" || event.type === "pong";
}
