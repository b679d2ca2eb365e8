/**
 * The composition root: creates and connects the parts of a server. `serve`, `attach` and the test runtime call `createServer`,
 * each with a different environment.
 */
import { watchInspection } from "../actors/inspection/inspection.js";
import { registerRoutes } from "../actors/route/metered-routes.js";
import { Route } from "../actors/route/route.js";
import { RouteTracing } from "../actors/route/route-tracing.js";
import { EVERY_PATH } from "../admission/router.js";
import { LinkMachine } from "../cluster/link.js";
import { Relay } from "../cluster/relay.js";
import { runHandler } from "../handlers/shape.js";
import { createLogger, levelOf } from "../log/log.js";
import { readServerOptions } from "../options/read-server-options.js";
import type { RouteDefinition } from "../options/server-options.js";
import { Diagnostics } from "../runtime/diagnostics.js";
import { Turn } from "../runtime/turn.js";
import type { ServerEnvironment } from "./environment.js";
import { HistoryStores } from "./history-stores.js";
import { LiveServer, type LiveServerParts } from "./live-server.js";
import type { Server } from "./server.js";
import { createServerActor } from "./server-actor.js";
import { createTokens } from "./session-tokens.js";

/** Builds a server in the given environment, not yet started; throws `BAD_OPTION`. */
export function createServer(options: unknown, environment: ServerEnvironment): LiveServer {
  const settings = readServerOptions(options, environment.optionNames);
  const log = createLogger(settings.logger, settings.name);
  const { clock } = environment;
  const diagnostics = new Diagnostics(settings.name, clock, log);
  const turn = new Turn(clock, (error) => log.error({ err: error }, "a part of a turn failed"));
  const actor = createServerActor(clock, (error) => server.fail(error));
  const inspection = watchInspection(actor, log);
  const { cluster: adapter } = settings;
  const relay =
    adapter &&
    new Relay({ adapter, clock, turn, log, linkMachine: new LinkMachine(actor), node: environment.newNode?.() });
  const stores = new HistoryStores({ clock, turn, log, newEpoch: environment.newEpoch });
  const newId = relay === undefined ? environment.newId : () => relay.idOf(environment.newId());
  const { newToken: tokens = createTokens() } = environment;
  const newToken = relay === undefined ? tokens : () => relay.sessions.tokenOf(tokens());
  const build = ({ path = EVERY_PATH, handler, settings: routeSettings }: RouteDefinition): Route =>
    new Route({
      path,
      settings: routeSettings,
      createRunner: (host) => runHandler(handler, host, inspection),
      clock,
      turn,
      log,
      tracing: new RouteTracing(diagnostics, path),
      level: levelOf(log),
      newId,
      newToken,
      remoteBus: relay?.busOfRoute(path),
      roomStore: stores.add(path, routeSettings),
      inspection,
      onEnded: (error) => server.routeEnded(error),
      observer: environment.observer,
    });
  const [first, ...others] = settings.routes;
  const routes: LiveServerParts["routes"] = [build(first), ...others.map(build)];
  for (const { path, sessions } of routes) relay?.sessions.attach(path, sessions);
  const server = new LiveServer({ routes, settings, environment, actor, log, diagnostics, relay, stores });
  registerRoutes(server, routes);
  return server;
}

/** Gives `connection.data` a type, known to the compiler alone. */
export function typed<D>(server: LiveServer): Server<D> {
  return server as unknown as Server<D>;
}
