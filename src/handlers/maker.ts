/** The base of the shapes that are made by a function: `shape.ts` turns what it finds in the options into runners by it. */
import type { AnyActorRef } from "xstate";
import type { Runner, RunnerHost } from "../bus/runner.js";
import { ShapedHandler } from "../contracts.js";

export abstract class RunnerMaker<D, P> extends ShapedHandler<D, P> {
  /** @param parent the server's root actor, for what is an actor itself */
  abstract makeRunner(host: RunnerHost, parent: AnyActorRef): Runner;
}
