/** How a connection ended, without the event that says so. */
import type { Ending } from "../contracts.js";
import type { ClosedEvent } from "../events.js";

export function endingOf({ code, reason, wasClean, by }: ClosedEvent): Ending {
  return { code, reason, wasClean, by };
}
