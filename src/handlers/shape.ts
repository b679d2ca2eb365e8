/** Any shape of handler to what the handler actor runs. */
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import { SendallError } from "../api/errors.js";
import { type Handler, ShapedHandler } from "../api/handler.js";
import { runFunction } from "./function.js";
import { RunnerMaker, type Systems } from "./maker.js";
import { runStateful } from "./stateful.js";

export function runHandler(handler: Handler, host: RunnerHost, systems: Systems): Runner {
  if (handler instanceof RunnerMaker) return handler.makeRunner(host, systems);
  if (handler instanceof ShapedHandler)
    throw new SendallError("BAD_HANDLER", "handler: it is not one of Sendall's shapes");
  return typeof handler === "function" ? runFunction(handler) : runStateful(handler, host);
}
