/**
 * `otel`: a span of OpenTelemetry for each event that a handler handles. Subscribes to the diagnostics channels of every server in the
 * process, until the returned function is called. The names of attributes are those of OpenTelemetry's conventions for messaging.
 */
import { channel, tracingChannel } from "node:diagnostics_channel";
import {
  type Attributes,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { HandledEvent } from "../actors/route/handle-trace.js";
import type { TracedOpen } from "../api/tracing.js";
import { type OtelOptions, readOtelOptions } from "./options.js";
import { spanErrorOf } from "./span-error.js";
import { UpgradeLinks } from "./upgrade-links.js";

/** The instrumentation scope of the spans. */
const SCOPE = "sendall";

/**
 * Makes a span for each event that a handler of any server in this process handles, from the call of the handler until the event is over.
 * Spans that the handler makes meanwhile, also after an `await`, are children. Each span begins a trace of its own, with a link to the span
 * of the connection's upgrade: the span that was active when the request was answered, else the span that the request's headers name
 * (`traceparent`, or whatever the program's propagator reads). There is no span for the life of a connection, nor for a recipient.
 *
 * A span has the name `<event> <route>`, such as `message /rooms/:name`, the kind `CONSUMER` and these attributes: `messaging.system`
 * (`"sendall"`), `messaging.operation.name` (the type of the event), `messaging.operation.type` (`"process"`),
 * `messaging.destination.template` (the path of the route as given in `routes`; `"*"` for a single `handler`),
 * `messaging.destination.subscription.name` (the channel, under `channels`), `messaging.message.body.size` (bytes, of a message), and, if the
 * event has failed, `error.type` (the error's code or name). A failure is also recorded as an exception, and sets the span's status.
 *
 * Costs nothing until called. Needs the package `@opentelemetry/api`, and an SDK that the program has set up.
 *
 * @param options none are required
 * @returns a function that ends the tracing: events that begin later have no span, and events under way still get theirs
 * @throws SendallError `BAD_OPTION` for wrong options
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { otel } from "sendall/otel";
 *
 * // Beside the SDK: new NodeSDK({ … }).start() of @opentelemetry/sdk-node.
 * const stopTracing = otel({ attributes: ({ event }) => ({ "enduser.id": String(event.connection?.data.user) }) });
 * const server = await serve({ port: 0, authorize: () => ({ user: "ann" }), handler() {} });
 *
 * await server.close();
 * stopTracing();
 * ```
 */
export function otel(options: OtelOptions = {}): () => void {
  const { tracerProvider = trace, attributes } = readOtelOptions(options);
  const spans = new EventSpans(tracerProvider.getTracer(SCOPE), attributes);
  return spans.start();
}

/** The spans of the events under way, and the channels from which spans come and go. */
class EventSpans {
  readonly #tracer: Tracer;
  readonly #attributesOf: OtelOptions["attributes"];
  readonly #links = new UpgradeLinks();
  readonly #spans = new Map<object, Span>();
  readonly #events = tracingChannel<unknown, HandledEvent>("sendall.handle");
  readonly #opened = channel("sendall.open");
  #isStopped = false;

  constructor(tracer: Tracer, attributesOf: OtelOptions["attributes"]) {
    this.#tracer = tracer;
    this.#attributesOf = attributesOf;
  }

  start(): () => void {
    this.#opened.subscribe(this.#onOpened);
    this.#events.start.subscribe(this.#onStart);
    this.#events.error.subscribe(this.#onError);
    this.#events.end.subscribe(this.#onEnd);
    this.#events.asyncEnd.subscribe(this.#onOver);
    return () => this.#stop();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#opened.unsubscribe(this.#onOpened);
    this.#events.start.unsubscribe(this.#onStart);
    this.#unsubscribeOnceOver();
  }

  #unsubscribeOnceOver(): void {
    if (!this.#isStopped || this.#spans.size > 0) return;
    this.#events.error.unsubscribe(this.#onError);
    this.#events.end.unsubscribe(this.#onEnd);
    this.#events.asyncEnd.unsubscribe(this.#onOver);
  }

  readonly #onOpened = (message: unknown): void => {
    this.#links.onOpened((message as TracedOpen).connection);
  };

  readonly #onStart = (message: unknown): void => {
    const handled = message as HandledEvent;
    const { event, route, connection } = handled;
    if (event.type === "back" && connection !== undefined) this.#links.onBack(connection);
    const link = connection && this.#links.find(connection);
    // The context around is that of whatever has woken the server, and has nothing to do with the event.
    const span = this.#tracer.startSpan(
      `${event.type} ${route}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: attributesOf(handled),
        ...(link && { links: [{ context: link }] }),
      },
      ROOT_CONTEXT,
    );
    this.#spans.set(handled, span);
    const { around } = handled;
    const active = trace.setSpan(ROOT_CONTEXT, span);
    handled.around = (code) => {
      const inSpan = (): ReturnType<typeof code> => context.with(active, code);
      return around === undefined ? inSpan() : around(inSpan);
    };
    // Last: what the program's function throws costs these attributes alone.
    if (this.#attributesOf !== undefined) span.setAttributes(this.#attributesOf(handled));
  };

  readonly #onError = (message: unknown): void => {
    const span = this.#spans.get(message as object);
    if (span === undefined) return;
    const { type, exception } = spanErrorOf((message as HandledEvent).error);
    span.setAttribute("error.type", type);
    span.recordException(exception);
    span.setStatus({ code: SpanStatusCode.ERROR, message: exception.message });
  };

  readonly #onEnd = (message: unknown): void => {
    if (!(message as HandledEvent).isAsync) this.#onOver(message);
  };

  readonly #onOver = (message: unknown): void => {
    this.#spans.get(message as object)?.end();
    this.#spans.delete(message as object);
    this.#unsubscribeOnceOver();
  };
}

function attributesOf({ event, route, channel: name, bytes }: HandledEvent): Attributes {
  return {
    "messaging.system": "sendall",
    "messaging.operation.name": event.type,
    "messaging.operation.type": "process",
    "messaging.destination.template": route,
    ...(name !== undefined && { "messaging.destination.subscription.name": name }),
    ...(event.type === "message" && { "messaging.message.body.size": bytes }),
  };
}
