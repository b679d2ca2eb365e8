/**
 * The composition root: builds the rooms of a server and wires them. `serve`, `attach` and the test runtime come here, each with
 * surroundings of its own.
 */
import { watchInspection } from "../actors/inspection/inspection.js";
import { Route } from "../actors/route/route.js";
import { EVERY_PATH } from "../admission/router.js";
import { LinkMachine } from "../cluster/link.js";
import { Relay } from "../cluster/relay.js";
import { runHandler } from "../handlers/shape.js";
import { createLogger, levelOf } from "../log/log.js";
import { readServerOptions } from "../options/read-server-options.js";
import type { RouteDefinition } from "../options/server-options.js";
import { Turn } from "../runtime/turn.js";
import { type LiveParts, LiveServer } from "./live-server.js";
import type { Server } from "./server.js";
import { createServerActor } from "./server-actor.js";
import type { Surroundings } from "./surroundings.js";

/** Builds a server in the given surroundings, not yet started; throws `BAD_OPTION`. */
export function createServer(options: unknown, surroundings: Surroundings): LiveServer {
  const settings = readServerOptions(options);
  const log = createLogger(settings.logger, settings.name);
  const { clock } = surroundings;
  const turn = new Turn(clock, (error) => log.error({ err: error }, "a part of a turn failed"));
  const actor = createServerActor(clock, (error) => server.fail(error));
  const inspection = watchInspection(actor, log);
  const { cluster: adapter } = settings;
  const relay =
    adapter &&
    new Relay({ adapter, clock, turn, log, linkMachine: new LinkMachine(actor), node: surroundings.newNode?.() });
  const newId = relay === undefined ? surroundings.newId : () => relay.idOf(surroundings.newId());
  const build = ({ path = EVERY_PATH, handler, settings: routeSettings }: RouteDefinition): Route =>
    new Route({
      path,
      settings: routeSettings,
      createRunner: (host) => runHandler(handler, host, inspection),
      clock,
      turn,
      log,
      level: levelOf(log),
      newId,
      remoteBus: relay?.busOfRoute(path),
      inspection,
      onEnded: (error) => server.routeEnded(error),
      observer: surroundings.observer,
    });
  const [first, ...others] = settings.routes;
  const routes: LiveParts["routes"] = [build(first), ...others.map(build)];
  const server = new LiveServer({ routes, settings, surroundings, actor, log, relay });
  return server;
}

/** What a connection carries is known to the compiler alone. */
export function typed<D>(server: LiveServer): Server<D> {
  return server as unknown as Server<D>;
}
