/**
 * The way from a server to the meters of the routes, for rooms above that measure (`sendall/metrics`), without a public method. The composition
 * root registers each server; an entry ends with the server object.
 */
import type { ConnectionQueue } from "./connection-queue.js";
import type { Metering } from "./metering.js";

/** A runner, as far as meters ask. */
interface Dispatching {
  /** Whether the runner only hands events on, which no handler of the program takes part in. */
  readonly isDispatcher?: boolean;
}

/** Whether an event of the queue is only handed on to a channel, where the event counts. */
export function isDispatched(queue: ConnectionQueue, route: { readonly runner: Dispatching }): boolean {
  return (queue.target ?? route).runner.isDispatcher === true;
}

/** What measuring needs of a route. */
export interface MeteredRoute {
  /** The path of the route, as given. */
  readonly path: string;
  readonly metering: Metering;
  readonly runner: Dispatching;
}

const routes = new WeakMap<object, readonly MeteredRoute[]>();

export function registerRoutes(server: object, metered: readonly MeteredRoute[]): void {
  routes.set(server, metered);
}

/** @returns `undefined` for any object but a server of this copy of the package */
export function routesOf(server: object): readonly MeteredRoute[] | undefined {
  return routes.get(server);
}
