/** `fromLogic`: makes a handler from XState logic. `logic-runner.ts` runs the logic for each route or channel that has the handler. */
import type { AnyActorLogic, EventFromLogic, InputFrom } from "xstate";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { ServerEvent } from "../../api/events.js";
import type { ShapedHandler } from "../../api/handler.js";
import type { Impossible, ResolvedLast } from "../../api/inference.js";
import { show } from "../../runtime/show.js";
import { type ActorSystems, RunnerFactory } from "../runner-factory.js";
import type { LogicInput } from "./logic-input.js";
import { LogicRunner } from "./logic-runner.js";

/** The type of `connection.data` according to the event types of the logic. */
type DataOf<L extends AnyActorLogic> = [Extract<EventFromLogic<L>, { connection: unknown }>] extends [never]
  ? ConnectionData
  : Extract<EventFromLogic<L>, { connection: unknown }> extends { readonly connection: Connection<infer D, unknown> }
    ? D
    : ConnectionData;

/** The events of Sendall whose types the logic knows. */
type Sendable<E extends { type: string }, D, P> = Extract<ServerEvent<D, P>, { type: E["type"] }>;

/** Refuses logic that cannot take Sendall's events of the logic's own types, or that expects a different input. */
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

class FromLogic<D, P> extends RunnerFactory<D, P> {
  readonly #logic: AnyActorLogic;

  constructor(logic: AnyActorLogic) {
    super();
    this.#logic = logic;
  }

  createRunner(host: RunnerHost, systems: ActorSystems): Runner {
    return new LogicRunner(this.#logic, host, systems);
  }
}

/** @hidden */
export function fromLogic<D>(never: Impossible<D>): ResolvedLast<D>;
/**
 * XState logic as a handler: a machine, or the logic that `fromTransition` or `fromCallback` makes. The logic gets the events
 * unchanged, and `{ bus }` as its input. The server's clock times the logic's delays; reaching a final state closes the route with 1000.
 * After an exception the logic is in its state from before the event, with its delays and children: of the failed event only the
 * effects of the logic's own code remain (a message sent by the bus), not XState's next steps (`sendTo`, a spawn, a delay).
 * `supervise.strategy: "restart"` starts the logic afresh instead.
 *
 * A failed child (spawned or invoked, at its start or later) without an `onError` in the logic is lost alone: the machine removes
 * the child, frees the child's id and goes on with the remaining children. A failure is charged to the connection whose event caused
 * the failure, even if the failure comes later, for example from an invoked promise; failures of delays are charged to the handler. A
 * rejection in an async action is charged in the same way, but XState cannot await such an action: invoke a promise instead.
 *
 * Each route (or channel) has its own actor system, so that several routes may use the same `systemId`;
 * `server.actor.system` shows and finds the actors of every route.
 *
 * @throws SendallError `BAD_HANDLER` if the argument is not XState logic
 *
 * @example
 * ```ts
 * import { fromLogic, type LogicInput, type ServerEvent, serve } from "sendall";
 * import { fromTransition } from "xstate";
 *
 * const counter = fromTransition(
 *   ({ bus, count }, event: ServerEvent) => {
 *     if (event.type !== "message") return { bus, count };
 *     bus.sendall(`message ${count + 1}`);
 *     return { bus, count: count + 1 };
 *   },
 *   ({ input }: { input: LogicInput }) => ({ bus: input.bus, count: 0 }),
 * );
 * const server = await serve({ port: 8080, handler: fromLogic(counter) });
 * console.log(server.url);
 * ```
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
