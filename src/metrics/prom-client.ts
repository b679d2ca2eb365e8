/** The series in a registry of prom-client, which is not imported: the shape of a metric is all that a registry asks for. */
import type { Family } from "./family.js";

/** A registry of prom-client (`Registry`), as far as {@link Metrics.register} uses it. */
export interface MetricsRegistry {
  /** Adds a metric, whose name no other metric of the registry has. */
  registerMetric(metric: never): void;
  /** The metric of a name, if the registry has such a metric. */
  getSingleMetric?(name: string): unknown;
}

interface PromValue {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric as registries of prom-client use metrics. */
export class PromMetric {
  /** Not read-only: a registry in the format of OpenMetrics cuts `_total` off the name of a counter. */
  name: string;
  readonly help: string;
  readonly type: Family["type"];
  readonly aggregator: Family["merge"];
  readonly #read: () => Family["samples"];

  constructor({ name, help, type, merge }: Family, read: () => Family["samples"]) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.aggregator = merge;
    this.#read = read;
  }

  get(): Pick<PromMetric, "name" | "help" | "type" | "aggregator"> & { readonly values: readonly PromValue[] } {
    const { name, help, type, aggregator } = this;
    const values = this.#read().map(({ suffix, labels, value }) => ({
      labels,
      value,
      ...(suffix !== "" && { metricName: name + suffix }),
    }));
    return { name, help, type, aggregator, values };
  }

  /** Does nothing: the numbers are those of the server, and count from the server's start. */
  reset(): void {}
}
