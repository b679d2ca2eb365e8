/** `fromLogic`: XState logic as a handler, which `logicRunner.ts` runs. */
import type { AnyActorLogic, EventFromLogic, InputFrom } from "xstate";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { ServerEvent } from "../../api/events.js";
import type { ShapedHandler } from "../../api/handler.js";
import { show } from "../../runtime/show.js";
import { type LookAtItLast, type Never, RunnerMaker, type Systems } from "../maker.js";
import type { LogicInput } from "./logic-input.js";
import { LogicRunner } from "./logic-runner.js";

/** What the logic's own event types say that connections carry. */
type DataOf<L extends AnyActorLogic> = [Extract<EventFromLogic<L>, { connection: unknown }>] extends [never]
  ? ConnectionData
  : Extract<EventFromLogic<L>, { connection: unknown }> extends { readonly connection: Connection<infer D, unknown> }
    ? D
    : ConnectionData;

/** The events of ours that are of the types that the logic knows. */
type Sendable<E extends { type: string }, D, P> = Extract<ServerEvent<D, P>, { type: E["type"] }>;

/** Refuses logic that could not take our events of its types, or asks for an input that it does not get. */
type Fits<L extends AnyActorLogic, D, P> = [EventFromLogic<L>, InputFrom<L>] extends [
  infer E extends { type: string },
  infer I,
]
  ? [Sendable<E, D, P>] extends [E]
    ? [LogicInput<D, P>] extends [I]
      ? unknown
      : { inputMustAccept: LogicInput<D, P> }
    : { eventsMustAccept: ServerEvent<D, P> }
  : unknown;

class FromLogic<D, P> extends RunnerMaker<D, P> {
  readonly #logic: AnyActorLogic;

  constructor(logic: AnyActorLogic) {
    super();
    this.#logic = logic;
  }

  makeRunner(host: RunnerHost, systems: Systems): Runner {
    return new LogicRunner(this.#logic, host, systems);
  }
}

/** @hidden */
export function fromLogic<D>(never: Never<D>): LookAtItLast<D>;
/**
 * XState logic as a handler: a machine, or what `fromTransition` or `fromCallback` has made. It gets the events as they are, and
 * `{ bus }` as its input. Its delays are timed by the server's clock; reaching a final state closes the route with 1000. After a
 * throw it is in the state of before the event, with its delays and its children: of the failed event only what its own code has
 * done is left (a message sent by the bus), not what XState would have done next (`sendTo`, a spawn, a delay).
 * `supervise.strategy: "restart"` starts the logic afresh instead.
 *
 * A child that fails (spawned or invoked, at its start or later) is lost alone if nobody deals with that by `onError`: the machine
 * forgets it and goes on with the others, and its id is free again. A failure is charged to the connection whose event has caused it,
 * also when it comes later, from an invoked promise say; those of delays are the handler's own. An async action that rejects is
 * charged likewise, but cannot be awaited: invoke a promise instead.
 *
 * Each route (or channel) has a system of actors of its own, so that a `systemId` may be used on several;
 * `server.actor.system` shows and finds the actors of all.
 *
 * @throws SendallError `BAD_HANDLER` if it is no logic
 */
export function fromLogic<L extends AnyActorLogic, D = DataOf<L>, P = Params>(
  logic: L & Fits<L, D, P>,
): ShapedHandler<D, P>;
export function fromLogic(logic: unknown): unknown {
  if (!isLogic(logic))
    throw new SendallError(
      "BAD_HANDLER",
      `fromLogic: expected a machine, or the logic that fromTransition or fromCallback makes, got ${show(logic)}`,
    );
  return new FromLogic<ConnectionData, Params>(logic);
}

function isLogic(value: unknown): value is AnyActorLogic {
  return typeof value === "object" && value !== null && "transition" in value && typeof value.transition === "function";
}
