/** The base of the shapes that are made by a function: `shape.ts` turns what it finds in the options into runners by it. */
import type { AnyActorRef } from "xstate";
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import { ShapedHandler } from "../api/handler.js";

declare const nobody: unique symbol;

/** What nobody can give. */
export interface Never<D> {
  readonly [nobody]: D;
}

/**
 * The first signature of each maker, for the compiler alone: a call that may return a function is looked at last, when it is known
 * what else stands in the options, `authorize` above all.
 */
export type LookAtItLast<D> = () => D;

/** The systems of actors within a server, beside the server's own. */
export interface Systems {
  /** Shows another system, from its root on, to whoever looks at the server's actors. @returns what takes it out again */
  include(root: AnyActorRef): () => void;
}

export abstract class RunnerMaker<D, P> extends ShapedHandler<D, P> {
  /** @param systems for what has actors itself */
  abstract makeRunner(host: RunnerHost, systems: Systems): Runner;
}
