/** What `serve`, `attach` and the test runtime take: the options of a server, and a handler or routes. `route` carries a route's types. */
import type { Authorize, UpgradeRequest } from "./authorize.js";
import type { BudgetOptions } from "./budget.js";
import type { Bus } from "./bus.js";
import type { ConnectionData, Params, ParamsOf } from "./connection.js";
import type { ServerEvent } from "./events.js";
import type { Handler, ShapedHandler, StatefulHandler } from "./handler.js";
import type { ResumeOptions, ServerOptions, SharedOptions } from "./options.js";
import type { PresenceOptions } from "./presence.js";

/** The options of a single route. */
export interface RouteOptions<D = ConnectionData, S = unknown, P = Params> extends SharedOptions<D, P> {
  /** Handles the connections of this path. */
  readonly handler: Handler<D, S, P>;
}

/**
 * A route written out in `routes`. The functions are declared as methods, since the compiler compares the parameters of methods either
 * way round: the params of each route are known even where the data cannot be inferred.
 */
export interface RouteEntry<D = ConnectionData, S = unknown, P = Params>
  extends Omit<SharedOptions, "authorize" | "budget" | "presence" | "resume"> {
  /**
   * Decides which peers are let in, before the upgrade: returns the value of `connection.data` (or a promise of the value), or
   * `reject(…)`. The compiler infers the type of `connection.data` if the function takes no argument or names the argument's type,
   * `(request: UpgradeRequest) => …`. Where the function takes an argument without a type, write the route as `route({…})`: inside
   * `route` the compiler infers the data there as well.
   */
  readonly authorize?: { method(request: UpgradeRequest<P>): ReturnType<Authorize<D, P>> }["method"];
  /**
   * How much each client may ask of the handler. Omitted keys have their defaults, and without a limit there is no budget. The connection
   * that `key` sees has the data of `authorize`.
   */
  readonly budget?: Partial<BudgetOptions<KnownData<NoInfer<D>>, P>>;
  /**
   * Keeps sessions: a connection of `sendall/client` outlives its socket, and what was missed is sent after. Omitted keys have their
   * defaults. The connection that `verify` sees has the data of `authorize`. Default `false`.
   */
  readonly resume?: Partial<ResumeOptions<KnownData<NoInfer<D>>, P>> | boolean;
  /**
   * Who is in a room, over all nodes: `bus.present`, and news of each room. Omitted keys have their defaults. The connection that `key` and
   * `info` see has the data of `authorize`. Default `false`.
   */
  readonly presence?: Partial<PresenceOptions<KnownData<NoInfer<D>>, P>> | boolean;
  /**
   * Handles the connections of this path. The compiler infers the type of the state of `{ init, handle }` if `init` takes no argument
   * (before TypeScript 6: as an arrow function); where `init` takes the bus, write the route as `route({…})`.
   */
  readonly handler:
    | { method(event: ServerEvent<KnownData<D>, P>, bus: Bus<KnownData<D>, P>): unknown }["method"]
    | StatefulHandler<S, KnownData<D>, P>
    | ShapedHandler<KnownData<D>, P>;
}

/** The data of a route whose data the compiler has not inferred is the data of a route without `authorize`. */
type KnownData<D> = unknown extends D ? ConnectionData : D;

/**
 * Routes by path: `R` has the data of each, `T` the state of each handler. The condition always holds; the compiler infers `R` from the
 * other branch, and checks and shows the first branch alone.
 */
export type RouteEntries<R, T> = {
  readonly [Path in keyof T]: RouteEntry<Path extends keyof R ? R[Path] : unknown, T[Path], ParamsOf<Path>>;
} & ([R] extends [unknown] ? unknown : { readonly [Path in keyof R]: RouteEntry<R[Path], unknown, ParamsOf<Path>> });

/** Handlers by path. */
export interface EachPathInsteadOfHandler<R = Record<string, ConnectionData>, T = Record<string, unknown>> {
  /**
   * Handlers by path: `"/chat"`, or `"/room/:name"` with `connection.params.name`. Other paths are answered with 404. Segments
   * are compared decoded: `"/räume"` and `"/r%C3%A4ume"` are the same path, and `%2F` stays inside its segment. Paths without
   * parameters come first, then the paths with parameters in the given order. Write a route whose `authorize` looks at the request, or
   * whose `init` takes the bus, as `route({…})`: the compiler infers more there.
   */
  readonly routes: RouteEntries<R, T>;
  /** Absent beside `routes`. */
  readonly handler?: never;
}

/** A single handler for every path. */
export interface HandlerInsteadOfRoutes<D = ConnectionData, S = unknown> {
  /** Handles the connections of every path. */
  readonly handler: Handler<D, S>;
  /** Absent beside `handler`. */
  readonly routes?: never;
}

/** Either a single handler for every path, or handlers by path. */
export type Handling<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>, T = Record<string, unknown>> =
  | EachPathInsteadOfHandler<R, T>
  | HandlerInsteadOfRoutes<D, S>;

/** The options of `serve`: the options of a server, and `handler` or `routes`. */
export type ServeOptions<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
> = ServerOptions<D> & Handling<D, S, R, T>;

/** The options of a server without a listener of its own. */
interface AttachedServerOptions<D> extends Omit<ServerOptions<D>, "host" | "port" | "backlog" | "tls"> {}

/** The options of `attach`: as for `serve`, without the options of a listener, which is the host's. */
export type AttachOptions<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
> = AttachedServerOptions<D> & Handling<D, S, R, T>;

/**
 * Carries the types of a route: the result of `authorize` is `connection.data`, the result of `init` is the handler's state.
 * At run time `route` returns its argument; `serve` checks the options.
 *
 * @example
 * ```ts
 * import { route, serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   routes: {
 *     "/room/:name": route({
 *       authorize: ({ params, query }) => ({ nick: query.get("nick") ?? "guest", room: params.name ?? "lobby" }),
 *       handler({ type, connection }) {
 *         if (type === "open") connection.join(connection.data.room); // a string: the type comes from authorize
 *       },
 *     }),
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function route<D = ConnectionData, S = unknown, P = Params>(
  options: RouteOptions<D, S, P>,
): RouteOptions<D, S, P> {
  return options;
}
