/**
 * `sendall/otel`: spans of OpenTelemetry for the events that handlers handle.
 *
 * @module sendall/otel
 */
export { SendallError, type SendallErrorCode, type SendallErrorDetails } from "./api/errors.js";
export type { TracedEvent } from "./api/tracing.js";
export type { OtelOptions } from "./otel/options.js";
export { otel } from "./otel/otel.js";
