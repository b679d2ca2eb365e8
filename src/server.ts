/**
 * `serve` and `attach`: the composition root, which builds the rooms of a server and wires them. Tests come in by `createServer`
 * with a clock, ids and an entrance of their own.
 */
import { EventEmitter } from "node:events";
import { watchInspection } from "./actors/inspection.js";
import { Route } from "./actors/route.js";
import { createServerActor } from "./actors/server.js";
import { Turn } from "./bus/turn.js";
import { createClock } from "./clock.js";
import { LinkLife } from "./cluster/link.js";
import { Relay } from "./cluster/relay.js";
import { SendallError, show } from "./errors.js";
import type { ConnectionData } from "./events.js";
import { runHandler } from "./handlers/shape.js";
import type { HostServer } from "./http/attach.js";
import { EVERY_PATH } from "./http/router.js";
import { createIds } from "./ids.js";
import { createLogger } from "./log.js";
import type { AttachOptions, ServeOptions } from "./options.js";
import { createAttachedEntrance, createNetworkEntrance } from "./server/entrance.js";
import { type LiveParts, LiveServer, type Server, type Surroundings } from "./server/live.js";
import { type RouteDefinition, readOptions, refuseListenerOptions } from "./settings.js";

/** Builds a server in the given surroundings, not yet started; throws `BAD_OPTION`. */
export function createServer(options: unknown, surroundings: Surroundings): LiveServer {
  const settings = readOptions(options);
  const log = createLogger(settings.logger, settings.name);
  const { clock } = surroundings;
  const turn = new Turn(clock, (error) => log.error({ err: error }, "a part of a turn failed"));
  const actor = createServerActor(clock, (error) => server.fail(error));
  const inspection = watchInspection(actor, log);
  const { cluster: adapter } = settings;
  const relay =
    adapter && new Relay({ adapter, clock, turn, log, life: new LinkLife(actor), node: surroundings.newNode?.() });
  const newId = relay === undefined ? surroundings.newId : () => relay.idOf(surroundings.newId());
  const build = ({ path = EVERY_PATH, handler, settings: routeSettings }: RouteDefinition): Route =>
    new Route({
      path,
      settings: routeSettings,
      createRunner: (host) => runHandler(handler, host, inspection),
      clock,
      turn,
      log,
      newId,
      outlet: relay?.outletOf(path),
      parent: actor,
      inspection,
      onEnded: (error) => server.routeEnded(error),
      onFailure: surroundings.onFailure,
    });
  const [first, ...others] = settings.routes;
  const routes: LiveParts["routes"] = [build(first), ...others.map(build)];
  const server = new LiveServer({ routes, settings, surroundings, actor, log, relay });
  return server;
}

/** An application of Express or Fastify is no server, and would be silent. */
function checkHost(host: unknown): void {
  const isServer = host instanceof EventEmitter && "address" in host && typeof host.address === "function";
  if (isServer) return;
  const problem = `expected the Server of node:http or node:https, got ${show(host)}`;
  throw new SendallError("BAD_OPTION", `httpServer: ${problem}`, { option: "httpServer" });
}

/** What a connection carries is known to the compiler alone. */
export function typed<D>(server: LiveServer): Server<D> {
  return server as unknown as Server<D>;
}

/**
 * Starts a server: resolves once the handler's `init` has run and the port is open. Installs no signal handlers.
 *
 * @throws SendallError `BAD_OPTION` (its message begins with the option's dotted name), `LISTEN_FAILED` (its `cause` is the
 * system's error), `CLUSTER_UNAVAILABLE` (likewise the engine's), or whatever the handler's first `init` throws; nothing is left listening then.
 */
export async function serve<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
  options: ServeOptions<D, S, R>,
): Promise<Server<D>> {
  const server = createServer(options, {
    clock: createClock(),
    newId: createIds(),
    createEntrance: createNetworkEntrance,
  });
  await server.start();
  return typed(server);
}

/**
 * Takes the upgrades of an HTTP server that somebody else runs: those that a route matches. Others are left alone if the host
 * has another `upgrade` listener, else answered 404. An upgrade whose socket another listener takes is left alone and logged; a request
 * whose `Upgrade` does not name WebSocket is given back to the host. Plain HTTP (`sockjs`, `static`, `onRequest`) is `server.middleware`, for the
 * host to mount. `close` leaves the host running.
 *
 * @throws SendallError `BAD_OPTION`, also for options of a listener (`host`, `port`, `backlog`, `tls`), which the host has, and
 * `CLUSTER_UNAVAILABLE`
 */
export async function attach<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
  host: HostServer,
  options: AttachOptions<D, S, R>,
): Promise<Server<D>> {
  checkHost(host);
  // What is no object at all is refused with the other options.
  if (Object(options) === options) refuseListenerOptions(options);
  const server = createServer(options, {
    clock: createClock(),
    newId: createIds(),
    createEntrance: createAttachedEntrance(host),
  });
  await server.start();
  return typed(server);
}
