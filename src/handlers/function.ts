/** The single handler function, as the handler actor runs it. */
import type { Runner } from "../bus/runner.js";
import type { HandlerFunction } from "../contracts.js";
import { isControl } from "../events.js";

export function runFunction(handler: HandlerFunction): Runner {
  return {
    concurrency: "serial",
    hearsPings: false,
    init() {},
    handle: (event, bus) => (isControl(event) ? undefined : handler(event, bus)),
    stop() {},
  };
}
