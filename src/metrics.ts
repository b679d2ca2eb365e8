/**
 * `sendall/metrics`: the numbers of a server for Prometheus, and probes for Kubernetes and load balancers.
 *
 * @module sendall/metrics
 */
export type { MetricsListener } from "./metrics/endpoint.js";
export { type MeasuredServer, type Metrics, type MetricsOptions, metrics } from "./metrics/metrics.js";
export type { MetricsRegistry } from "./metrics/prom-client.js";
