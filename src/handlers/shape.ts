/** Any shape of handler to what the handler actor runs. */
import type { Handler, Runner } from "../contracts.js";
import { runFunction } from "./function.js";
import { runStateful } from "./stateful.js";

export function runHandler(handler: Handler): Runner {
  return typeof handler === "function" ? runFunction(handler) : runStateful(handler);
}
