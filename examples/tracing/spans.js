// @ts-check
// Sets OpenTelemetry up, and prints each span in a line. In earnest the spans go to a collector: an exporter of OpenTelemetry takes the
// place of this one, and @opentelemetry/sdk-node sets up the rest.
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

/** @typedef {import("@opentelemetry/sdk-trace-base").ReadableSpan} Span */

/** Prints a span that has ended, such as `message * took 51 ms, 5 bytes`. @param {Span} span @returns {string} */
function lineOf({ name, attributes, parentSpanContext, links, duration: [seconds, nanoseconds] }) {
  const parts = [
    `${name} took ${Math.round(seconds * 1_000 + nanoseconds / 1e6)} ms`,
    attributes["messaging.message.body.size"] !== undefined && `${attributes["messaging.message.body.size"]} bytes`,
    attributes["error.type"] !== undefined && `failed: ${attributes["error.type"]}`,
    ...links.map((link) => `linked to ${link.context.spanId}`),
  ];
  return (parentSpanContext === undefined ? "" : "  ") + parts.filter((part) => part !== false).join(", ");
}

/** @param {(line: string) => void} print */
export function setUpSpans(print) {
  const exporter = {
    /** @param {Span[]} spans @param {(result: { code: number }) => void} done */
    export(spans, done) {
      for (const span of spans) print(lineOf(span));
      done({ code: 0 });
    },
    async shutdown() {},
  };
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
}
