/** Makes the runner for a handler of any shape: for a route when the server starts, and for each channel of a `channels` handler. */
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import { SendallError } from "../api/errors.js";
import { type Handler, ShapedHandler } from "../api/handler.js";
import { descriptionOf } from "../protocol/describe-handler.js";
import { runFunction } from "./function.js";
import { ProtocolRunner } from "./protocol/protocol-runner.js";
import { type ActorSystems, RunnerFactory } from "./runner-factory.js";
import { runStateful } from "./stateful.js";

export function runHandler(handler: Handler, host: RunnerHost, systems: ActorSystems): Runner {
  if (handler instanceof RunnerFactory) return handler.createRunner(host, systems);
  const description = descriptionOf(handler);
  if (description !== undefined) return new ProtocolRunner(description, host);
  if (handler instanceof ShapedHandler)
    throw new SendallError(
      "BAD_HANDLER",
      "handler: expected a handler that perConnection, fromLogic, channels or the handler of a protocol has made",
    );
  return typeof handler === "function" ? runFunction(handler) : runStateful(handler, host);
}
