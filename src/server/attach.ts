/** `attach`: creates a server on the upgrades of an HTTP server run by the program. */
import { EventEmitter } from "node:events";
import type { ConnectionData } from "../api/connection.js";
import type { ServerOptions } from "../api/options.js";
import type { AttachOptions } from "../api/serve-options.js";
import type { HostServer } from "../http/attach.js";
import { refuseOption } from "../options/read-options.js";
import { createClock } from "../runtime/clock.js";
import { show } from "../runtime/show.js";
import { createIds } from "./connection-ids.js";
import { createServer, typed } from "./create-server.js";
import { createAttachedListener } from "./network-listener.js";
import type { Server } from "./server.js";

/** An Express or Fastify application is not a server: no upgrade would ever arrive. */
function checkHost(host: unknown): void {
  const isServer = host instanceof EventEmitter && "address" in host && typeof host.address === "function";
  if (isServer) return;
  refuseOption("httpServer", `expected the Server of node:http or node:https, got ${show(host)}`);
}

/** The options of `serve` for a listener, which `attach` refuses: the host has a listener. */
const HOST_OPTIONS: Readonly<Record<Exclude<keyof ServerOptions, keyof AttachOptions>, true>> = {
  host: true,
  port: true,
  backlog: true,
  tls: true,
};

function refuseHostOptions(options: object): void {
  for (const name of Object.keys(HOST_OPTIONS))
    if (Reflect.get(options, name) !== undefined)
      refuseOption(name, "this is an option of the HTTP server that attach was given, not of attach");
}

/**
 * Takes the upgrades of an HTTP server run by other code, if a route matches. Unmatched upgrades are left alone if the host has
 * another `upgrade` listener, else answered 404. An upgrade whose socket another listener takes is left alone and logged; a
 * request whose `Upgrade` does not name WebSocket is given back to the host. Plain HTTP (`client`, `sockjs`, `static`, `onRequest`) is
 * `server.middleware`, for the host to mount. `close` leaves the host running.
 *
 * @throws SendallError `BAD_OPTION`, also for options of a listener (`host`, `port`, `backlog`, `tls`), which the host has, and
 * `CLUSTER_UNAVAILABLE`
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { attach } from "sendall";
 *
 * const host = createServer((request, response) => response.end("a page"));
 * await attach(host, {
 *   handler(event, bus) {
 *     if (event.type === "message") bus.sendall(event.data);
 *   },
 * });
 * host.listen(8080, "127.0.0.1", () => console.log("http://localhost:8080"));
 * ```
 */
export async function attach<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
>(host: HostServer, options: AttachOptions<D, S, R, T>): Promise<Server<D>> {
  checkHost(host);
  // `createServer` rejects options other than an object.
  if (Object(options) === options) refuseHostOptions(options);
  const server = createServer(options, {
    clock: createClock(),
    newId: createIds(),
    createListener: createAttachedListener(host),
    optionNames: { refused: Object.keys(HOST_OPTIONS) },
  });
  await server.start();
  return typed(server);
}
