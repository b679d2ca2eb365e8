/** Any shape of handler to what the handler actor runs. */
import type { Runner, RunnerHost } from "../bus/runner.js";
import { type Handler, ShapedHandler } from "../contracts.js";
import { SendallError } from "../errors.js";
import { runFunction } from "./function.js";
import { RunnerMaker, type Systems } from "./maker.js";
import { runStateful } from "./stateful.js";

export function runHandler(handler: Handler, host: RunnerHost, systems: Systems): Runner {
  if (handler instanceof RunnerMaker) return handler.makeRunner(host, systems);
  if (handler instanceof ShapedHandler)
    throw new SendallError("BAD_HANDLER", "handler: it is not one of Sendall's shapes");
  return typeof handler === "function" ? runFunction(handler) : runStateful(handler, host);
}
