/** The runner of the single handler function. The runner has no state, and ends with the route or channel. */

import { isControl } from "../actors/route/mailbox-event.js";
import type { Runner } from "../actors/route/runner.js";
import type { HandlerFunction } from "../api/handler.js";

export function runFunction(handler: HandlerFunction): Runner {
  return {
    concurrency: "serial",
    hearsPings: false,
    init() {},
    handle: (event, bus) => (isControl(event) ? undefined : handler(event, bus)),
    stop() {},
  };
}
