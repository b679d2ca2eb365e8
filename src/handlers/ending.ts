/** Turns a `closed` event into an {@link Ending}: how the connection ended, without the rest of the event. */
import type { ClosedEvent, Ending } from "../api/events.js";

export function endingOf({ code, reason, wasClean, by, unacknowledged }: ClosedEvent): Ending {
  return { code, reason, wasClean, by, unacknowledged };
}
