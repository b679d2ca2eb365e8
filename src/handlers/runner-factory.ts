/**
 * The base class of the handlers made by `fromLogic`, `perConnection` and `channels`. `shape.ts` asks such a handler for a runner, which
 * ends with the route or channel.
 */
import type { AnyActorRef } from "xstate";
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import { ShapedHandler } from "../api/handler.js";

/** The actor systems within a server, in addition to the server's own system. */
export interface ActorSystems {
  /** Shows another system to observers of the server's actors. @returns a function that removes the system again */
  include(root: AnyActorRef): () => void;
}

export abstract class RunnerFactory<D, P> extends ShapedHandler<D, P> {
  /** @param systems used by runners with XState actors */
  abstract createRunner(host: RunnerHost, systems: ActorSystems): Runner;
}
