/**
 * The way from a server to the meters of the routes, for rooms above that measure (`sendall/metrics`), without a public method. The composition
 * root registers each server; an entry ends with the server object.
 */
import type { Metering } from "./metering.js";

/** What measuring needs of a route. */
export interface MeteredRoute {
  /** The path of the route, as given. */
  readonly path: string;
  readonly metering: Metering;
}

const routes = new WeakMap<object, readonly MeteredRoute[]>();

export function registerRoutes(server: object, metered: readonly MeteredRoute[]): void {
  routes.set(server, metered);
}

/** @returns `undefined` for any object but a server of this copy of the package */
export function routesOf(server: object): readonly MeteredRoute[] | undefined {
  return routes.get(server);
}
