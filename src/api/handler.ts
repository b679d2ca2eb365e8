/** The shapes of a handler that need no maker: what users write, and what `serve` takes. */
import type { Bus } from "./bus.js";
import type { ConnectionData, Params } from "./connection.js";
import type { ServerEvent } from "./events.js";

/** The single handler function: gets every event of its route, one at a time. A promise is awaited; what it returns does not count. */
export type HandlerFunction<D = ConnectionData, P = Params> = (event: ServerEvent<D, P>, bus: Bus<D, P>) => unknown;

/** A handler with central state and no globals: each event gets the state and returns the next one. */
export interface StatefulHandler<S = unknown, D = ConnectionData, P = Params> {
  /** Makes the first state; called again after a failure under `supervise.strategy: "restart"`. */
  init(bus: Bus<D, P>): S | Promise<S>;
  /** Returns the next state; nothing keeps the present one. After a throw the state is the one of before the event. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement keeps its state
  handle(event: ServerEvent<D, P>, state: S, bus: Bus<D, P>): NoInfer<S> | void | Promise<NoInfer<S> | void>;
  /** Called once when the server closes, after the last event. */
  stop?(state: S, bus: Bus<D, P>): void | Promise<void>;
}

/** A handler made by `perConnection`, `fromLogic` or `channels`: what is in it is between it and the server. */
export abstract class ShapedHandler<D = ConnectionData, P = Params> {
  /** Carries the types; not there at run time. */
  declare readonly takes?: (event: ServerEvent<D, P>) => void;
}

/** What a route runs: a function for all events, an object that keeps a state, or what one of the makers of shapes has made. */
export type Handler<D = ConnectionData, S = unknown, P = Params> =
  | HandlerFunction<D, P>
  | StatefulHandler<S, D, P>
  | ShapedHandler<D, P>;
