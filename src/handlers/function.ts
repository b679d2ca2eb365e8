/** The runner of the single handler function. The runner has no state, and ends with the route or channel. */

import type { Runner } from "../actors/route/runner.js";
import type { HandlerFunction } from "../api/handler.js";

export function runFunction(handler: HandlerFunction): Runner {
  return {
    concurrency: "serial",
    hearsPings: false,
    init() {},
    // Itself, without a step between: control frames are posted for runners that hear pings alone.
    handle: handler as Runner["handle"],
    stop() {},
  };
}
