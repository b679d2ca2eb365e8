/**
 * The span of each connection's upgrade, to which the spans of the connection's events are linked. OpenTelemetry's HTTP instrumentation
 * makes spans for requests, SockJS over HTTP among them, and none for upgrades: there the span is one that the program has made, or the
 * client's, which the headers name. A `UpgradeLinks` lasts as long as its `otel`, an entry as long as its connection.
 */
import { context, isSpanContextValid, propagation, ROOT_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";
import type { Connection } from "../api/connection.js";

export class UpgradeLinks {
  /** `undefined` for a connection whose upgrade has no span. */
  readonly #links = new WeakMap<Connection, SpanContext | undefined>();

  /** Called where the upgrade is answered. */
  onOpened(connection: Connection): void {
    this.#links.set(connection, validOf(trace.getSpanContext(context.active())) ?? readHeaders(connection));
  }

  /** A session goes on over a newer socket: headers that name a span replace the span of before. */
  onBack(connection: Connection): void {
    const newest = readHeaders(connection);
    if (newest !== undefined) this.#links.set(connection, newest);
  }

  find(connection: Connection): SpanContext | undefined {
    // The connection may have opened before anybody listened.
    if (!this.#links.has(connection)) this.#links.set(connection, readHeaders(connection));
    return this.#links.get(connection);
  }
}

function readHeaders({ headers }: Connection): SpanContext | undefined {
  return validOf(trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers)));
}

function validOf(found: SpanContext | undefined): SpanContext | undefined {
  return found !== undefined && isSpanContextValid(found) ? found : undefined;
}
