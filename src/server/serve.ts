/** `serve`: starts a server with a port of its own. */

import type { ConnectionData } from "../api/connection.js";
import type { ServeOptions } from "../api/serve-options.js";
import { createClock } from "../runtime/clock.js";
import { createIds } from "./connection-ids.js";
import { createServer, typed } from "./create-server.js";
import { createNetworkListener } from "./network-listener.js";
import type { Server } from "./server.js";

/**
 * Starts a server: resolves once the handler's `init` has run and the port is open. Installs no signal handlers.
 *
 * @throws SendallError `BAD_OPTION` (the message begins with the option's dotted name), `LISTEN_FAILED` (`cause` is the system's
 * error), `CLUSTER_UNAVAILABLE` (likewise the engine's), or whatever the handler's first `init` throws; nothing is left listening
 * then.
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler(event, bus) {
 *     if (event.type === "message") bus.broadcast(event.data, event.connection);
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export async function serve<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
>(options: ServeOptions<D, S, R, T>): Promise<Server<D>> {
  const server = createServer(options, {
    clock: createClock(),
    newId: createIds(),
    createListener: createNetworkListener,
  });
  await server.start();
  return typed(server);
}
