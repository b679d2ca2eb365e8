/** The SDK of OpenTelemetry in a test: spans stay in memory, contexts follow promises, `traceparent` is understood. */
import { context, propagation } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { type OtelOptions, otel } from "sendall/otel";
import { onTestFinished } from "vitest";

export interface Sdk {
  readonly provider: BasicTracerProvider;
  /** The spans that have ended, in the order of the ends. */
  readonly spans: () => ReadableSpan[];
}

/** Sets the SDK up for the length of a test. */
export function setUpSdk(): Sdk {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  onTestFinished(() => {
    context.disable();
    propagation.disable();
  });
  return { provider, spans: () => exporter.getFinishedSpans() };
}

/** Sets the SDK up, and `otel` with the SDK's provider. */
export function trace(options: OtelOptions = {}): Sdk {
  const sdk = setUpSdk();
  onTestFinished(otel({ tracerProvider: sdk.provider, ...options }));
  return sdk;
}

/** A span in short: what a test compares. */
export function shown({ name, attributes, status, links }: ReadableSpan): object {
  return { name, attributes, status, links: links.map(({ context: { traceId, spanId } }) => `${traceId} ${spanId}`) };
}
