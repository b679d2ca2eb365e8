/** The options of `otel`, and the reader of the options. */
import type { Attributes, TracerProvider } from "@opentelemetry/api";
import type { TracedEvent } from "../api/tracing.js";
import { isRecord } from "../options/kinds.js";
import { checkNames, checkOptionsObject, readSettings } from "../options/read-options.js";

/** The options of `otel`. */
export interface OtelOptions {
  /** Makes the tracer. Default: the provider that the program has registered with OpenTelemetry, before or after the call of `otel`. */
  readonly tracerProvider?: TracerProvider;
  /**
   * Further attributes for the span of an event, such as a field of `event.connection.data`. Called before the handler. Default none:
   * spans have no payload, no id and no address.
   */
  readonly attributes?: (handled: TracedEvent) => Attributes;
}

/** Any copy of `@opentelemetry/api` will do, and a provider of the program's own. */
function isProvider(value: unknown): value is TracerProvider {
  return isRecord(value) && typeof value.getTracer === "function";
}

const table = {
  tracerProvider: { expected: "a tracer provider of OpenTelemetry, with getTracer()", accepts: isProvider },
  attributes: { kind: "function" },
} as const;

interface OtelSettings {
  readonly tracerProvider: TracerProvider | undefined;
  readonly attributes: OtelOptions["attributes"] | undefined;
}

/** Throws `BAD_OPTION`. */
export function readOtelOptions(options: unknown): OtelSettings {
  checkOptionsObject(options);
  checkNames({ options }, table);
  return readSettings<OtelOptions, typeof table>(table, { options });
}
