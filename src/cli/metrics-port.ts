/**
 * The port of `sendall serve --metrics`: reads the address, and answers requests for `/metrics`, `/healthz` and `/readyz`. Opened before the
 * handler file is loaded, so that probes are answered while `init` is under way; ends with the process.
 */
import { SendallError } from "../api/errors.js";
import { listenPlain } from "../http/plain-listener.js";
import { createEndpoint, type EndpointSource } from "../metrics/endpoint.js";
import { type MeasuredServer, type Metrics, type MetricsOptions, metrics } from "../metrics/metrics.js";
import type { Logger } from "../runtime/logger.js";
import { show } from "../runtime/show.js";
import { isError } from "../runtime/thrown.js";
import { usageError } from "./exit.js";

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

const PATH = "/metrics";
const MAX_PORT = 65_535;

/** `127.0.0.1:9464`, `localhost:9464` or `[::1]:9464`. Throws `BAD_OPTION`. */
export function readMetricsAddress(given: string | undefined): MetricsAddress | undefined {
  if (given === undefined) return undefined;
  const [, ipv6, name, port] = /^(?:\[([\da-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(given) ?? [];
  const host = ipv6 ?? name;
  if (host !== undefined && Number(port) <= MAX_PORT) return { host, port: Number(port) };
  throw usageError(
    `--metrics: expected an address and a port, such as 127.0.0.1:9464 or [::1]:9464 (0 picks a free port), got ${show(given)}`,
  );
}

/** Rejects with `LISTEN_FAILED`. @returns where the metrics are */
export async function openMetricsPort(address: MetricsAddress, source: EndpointSource, log: Logger): Promise<string> {
  const { host } = address;
  const port = await listenPlain(address, createEndpoint(PATH, source), log);
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}${PATH}`;
  log.info({ url }, "showing metrics");
  return url;
}

/** @returns the error with which a server could not listen on `port`; with a hint if `--metrics` has taken the port */
export function explainTakenPort(error: SendallError, port: number, address: MetricsAddress | undefined): SendallError {
  const { cause, message } = error;
  const isTaken = isError(cause) && "code" in cause && cause.code === "EADDRINUSE";
  if (!isTaken || port !== address?.port) return error;
  return new SendallError("LISTEN_FAILED", `${message}: --metrics has port ${port}, so the server needs another port`, {
    cause,
  });
}

/** The metrics of a process with a server of its own, which starts later than the port opens. */
export class ServerMetrics implements EndpointSource {
  #server: MeasuredServer | undefined;
  #metrics: Metrics | undefined;

  attach(server: MeasuredServer, options: MetricsOptions): void {
    this.#server = server;
    this.#metrics = metrics(server, options);
  }

  text(): string | undefined {
    return this.#metrics?.text();
  }

  isReady(): boolean {
    return this.#server?.isReady === true;
  }
}
