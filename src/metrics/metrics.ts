/**
 * `metrics(server)`: the numbers of a server for Prometheus, as text, over HTTP, or in a registry of prom-client. An object for each call,
 * without a state of its own; the histograms of a server are shared.
 */
import { routesOf } from "../actors/route/metered-routes.js";
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";
import { createEndpoint, type MetricsListener } from "./endpoint.js";
import type { Family } from "./family.js";
import { Histograms } from "./histograms.js";
import { type MetricsRegistry, PromMetric } from "./prom-client.js";
import { readSeries, type StatsSource } from "./series.js";
import { writeText } from "./text.js";

/** A server, as far as {@link metrics} uses one: what `serve` and `attach` resolve with, or `server` of a test runtime. */
export interface MeasuredServer extends StatsSource {
  /** Whether the server takes connections: what `readyz` answers. */
  readonly isReady: boolean;
  /** Resolves when the server has ended. */
  readonly closed: Promise<unknown>;
}

/** Options of {@link metrics}. */
export interface MetricsOptions {
  /**
   * Also measures each event: `sendall_mailbox_wait_seconds`, how long the event waits for the handler (from the moment that a message has the
   * tokens of its budget), and `sendall_handler_seconds`, how long the handler takes. Measuring begins with the first call that asks, and goes on until the server has closed. Default: `false`.
   */
  readonly histograms?: boolean;
}

/** The metrics of one server. */
export interface Metrics {
  /** The numbers of now in the text format of Prometheus, version 0.0.4: of this process alone, and summed up per route. */
  text(): string;
  /**
   * Makes a listener for `onRequest`, or a middleware for Express: answers requests for the metrics at `path`, and in the same folder
   * `healthz` with 200, and `readyz` with 200 or, while the server is not ready, 503. Other requests go to the listener's third argument
   * `next`; without `next` the answer is 404.
   *
   * @param path where the metrics are: `"/metrics"`
   * @throws SendallError `BAD_OPTION` for anything but an absolute path
   */
  onRequest(path: string): MetricsListener;
  /**
   * Adds every series to a registry of prom-client, which from then on shows the numbers of now. A registry takes the series of a single server,
   * once; `AggregatorRegistry.aggregate` of prom-client adds up the registries of several servers.
   *
   * @param registry a `Registry` of prom-client
   * @throws SendallError `BAD_OPTION` for anything else, and for a registry with a series of the same name; nothing is added then
   */
  register(registry: MetricsRegistry): void;
}

const table = { histograms: { kind: "flag", default: false } } as const;

const histogramsOf = new WeakMap<object, Histograms>();

/**
 * The numbers of a server for Prometheus. Costs nothing between two scrapes, unless `histograms` asks for more; a scrape adds up numbers of routes,
 * however many connections are open. Labels are paths of routes as given, close codes and other words of ours: never a room, an id or a payload.
 *
 * @param server what `serve` or `attach` resolves with
 * @throws SendallError `BAD_OPTION`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { metrics } from "sendall/metrics";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler() {},
 *   onRequest(request, response) {
 *     answer(request, response);
 *   },
 * });
 * const answer = metrics(server).onRequest("/metrics");
 * console.log(new URL("/metrics", server.url.replace("ws", "http")).href);
 * ```
 */
export function metrics(server: MeasuredServer, options: MetricsOptions = {}): Metrics {
  const collect = createCollector(server, options);
  const text = (): string => writeText(collect());
  return {
    text,
    onRequest: (path) => createEndpoint(path, { text, isReady: () => server.isReady }),
    register: (registry) => registerAt(registry, collect),
  };
}

/** @returns reads the families as data, which a worker sends to the primary process */
export function createCollector(server: MeasuredServer, options: MetricsOptions): () => Family[] {
  checkServer(server);
  checkOptionsObject(options);
  checkNames({ options }, table);
  const settings = readSettings<MetricsOptions, typeof table>(table, { options });
  const histograms = settings.histograms ? startHistograms(server) : undefined;
  return () => [...readSeries(server), ...(histograms?.families() ?? [])];
}

function startHistograms(server: MeasuredServer): Histograms {
  const started = histogramsOf.get(server);
  if (started !== undefined) return started;
  const routes = routesOf(server);
  if (routes === undefined) refuseOption("histograms", "expected a server of the same copy of sendall");
  const histograms = new Histograms(routes, server.closed);
  histogramsOf.set(server, histograms);
  return histograms;
}

function registerAt(registry: MetricsRegistry, collect: () => Family[]): void {
  if (typeof Object(registry).registerMetric !== "function")
    refuseOption("registry", `expected a Registry of prom-client, got ${show(registry)}`);
  let current: Map<string, Family> | undefined;
  // A registry reads every metric in the same step, so all of a scrape are numbers of one moment.
  const read = (): Map<string, Family> => {
    if (current !== undefined) return current;
    current = new Map(collect().map((family) => [family.name, family]));
    queueMicrotask(() => {
      current = undefined;
    });
    return current;
  };
  const families = collect();
  for (const { name } of families) if (registry.getSingleMetric?.(name) !== undefined) refuseTaken(name);
  for (const family of families) {
    const metric = new PromMetric(family, () => read().get(family.name)?.samples ?? []);
    // The compiler cannot compare a metric with the classes of prom-client.
    registry.registerMetric(metric as never);
  }
}

function refuseTaken(name: string): never {
  refuseOption(
    "registry",
    `expected a registry without the series of a server, got a registry that has ${name} already: register each server once, in a new Registry() of its own; AggregatorRegistry.aggregate([await one.getMetricsAsJSON(), await other.getMetricsAsJSON()]) adds up several`,
  );
}

function checkServer(server: unknown): void {
  const { stats, route, paths } = Object(server);
  if (typeof stats === "function" && typeof route === "function" && Array.isArray(paths)) return;
  const hint = server instanceof Promise ? ": await serve first" : "";
  refuseOption("server", `expected what serve or attach resolves with, got ${show(server)}${hint}`);
}
