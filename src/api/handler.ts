/** The shapes of a handler that users write without a maker function, and the base class of the handlers that makers return. */
import type { Bus } from "./bus.js";
import type { ConnectionData, Params } from "./connection.js";
import type { ServerEvent } from "./events.js";

/** The single handler function: gets every event of its route, one at a time. A promise is awaited; any other result is ignored. */
export type HandlerFunction<D = ConnectionData, P = Params> = (event: ServerEvent<D, P>, bus: Bus<D, P>) => unknown;

/** A handler with central state and no globals: each event gets the state and returns the next state. */
export interface StatefulHandler<S = unknown, D = ConnectionData, P = Params> {
  /** Makes the first state; called again after a failure under `supervise.strategy: "restart"`. */
  init(bus: Bus<D, P>): S | Promise<S>;
  /** Returns the next state; to return nothing keeps the present state. After a throw the state is as before the event. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement keeps its state
  handle(event: ServerEvent<D, P>, state: S, bus: Bus<D, P>): NoInfer<S> | void | Promise<NoInfer<S> | void>;
  /** Called once when the server closes, after the last event. */
  stop?(state: S, bus: Bus<D, P>): void | Promise<void>;
}

/** A handler made by `perConnection`, `fromLogic`, `channels` or `handler` of a protocol; the content is for the server alone. */
export abstract class ShapedHandler<D = ConnectionData, P = Params> {
  /** Carries the types; absent at run time. */
  declare readonly takes?: (event: ServerEvent<D, P>) => void;
}

/** What a route runs: a function for every event, an object that keeps a state, or a handler that a maker of shapes has made. */
export type Handler<D = ConnectionData, S = unknown, P = Params> =
  | HandlerFunction<D, P>
  | StatefulHandler<S, D, P>
  | ShapedHandler<D, P>;
