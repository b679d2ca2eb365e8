/** How a connection ended, without the event that says so. */
import type { ClosedEvent, Ending } from "../api/events.js";

export function endingOf({ code, reason, wasClean, by }: ClosedEvent): Ending {
  return { code, reason, wasClean, by };
}
