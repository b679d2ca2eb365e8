/** The single handler function, as the handler actor runs it. */
import type { HandlerFunction, Runner } from "../contracts.js";

export function runFunction(handler: HandlerFunction): Runner {
  return {
    init() {},
    handle: (event, bus) => handler(event, bus),
    settled() {},
    stop() {},
  };
}
