// @ts-check
// Tracing: a span of OpenTelemetry for each event, printed when it ends. `npm run example tracing`
// The handler looks every message up, with a span of its own, which is a child of the message's. `fail` makes the handler fail.
import { trace } from "@opentelemetry/api";
import { serve } from "sendall";
import { otel } from "sendall/otel";
import { tryPage } from "../page/parts.js";
import { setUpSpans } from "./spans.js";

setUpSpans(console.log);
const stopTracing = otel();
const tracer = trace.getTracer("example");

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage("Tracing", "The server prints a line for each event. The message fail makes its handler fail."),
  concurrency: "connection",
  async handler(event, bus) {
    if (event.type !== "message") return;
    const answer = await tracer.startActiveSpan("look up", async (span) => {
      await bus.sleep(50);
      span.end();
      return `looked up ${event.text}`;
    });
    if (event.text === "fail") throw new RangeError("as you like");
    bus.unicast(answer, event.connection);
  },
});
console.log(`Tracing: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close().then(stopTracing));
