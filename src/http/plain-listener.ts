/**
 * A port for plain HTTP alone, beside the port of the server: `sendall serve --metrics` has one for the life of the process. Clients are
 * scrapers and probes of the operator, so Node's own limits for requests are enough.
 */
import { createServer } from "node:http";
import type { Logger } from "../runtime/logger.js";
import { bind } from "./listen.js";
import type { RequestListener } from "./requests.js";

/** Rejects with `LISTEN_FAILED`. The port does not keep the process alive. @returns the port, also when the system chose it */
export async function listenPlain(
  { host, port }: { readonly host: string; readonly port: number },
  onRequest: RequestListener,
  log: Logger,
): Promise<number> {
  const server = createServer(onRequest);
  await bind(server, { host, port, backlog: undefined });
  server.on("error", (error) => log.error({ err: error }, "accepting a connection failed"));
  server.unref();
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : port;
}
