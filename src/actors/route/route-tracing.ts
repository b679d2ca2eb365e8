/**
 * What a route, or a channel of the route, publishes on the diagnostics channels. A route has one `RouteTracing`, and each channel of a
 * `channels` handler has one of its own; both last as long as the route.
 */
import type { Connection } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { TracedClosed, TracedOpen } from "../../api/tracing.js";
import { closedChannel, type Diagnostics, openChannel } from "../../runtime/diagnostics.js";
import { HandleTrace } from "./handle-trace.js";
import { isControl, type MailboxEvent } from "./mailbox-event.js";

export class RouteTracing {
  readonly #diagnostics: Diagnostics;
  readonly #route: string;
  readonly #channel: string | undefined;

  constructor(diagnostics: Diagnostics, route: string, channel?: string) {
    this.#diagnostics = diagnostics;
    this.#route = route;
    this.#channel = channel;
  }

  /** The tracing of a channel. @param channel the name, with the names of outer channels */
  forChannel(channel: string): RouteTracing {
    return new RouteTracing(this.#diagnostics, this.#route, channel);
  }

  opened(connection: Connection): void {
    if (!openChannel.hasSubscribers) return;
    const message: TracedOpen = { connection, ...this.#place };
    this.#diagnostics.publish(openChannel, message);
  }

  closed(connection: Connection, ending: Ending, durationMs: number): void {
    if (!closedChannel.hasSubscribers) return;
    const message: TracedClosed = { connection, ...this.#place, ...ending, durationMs };
    this.#diagnostics.publish(closedChannel, message);
  }

  /**
   * The trace of an event that the handler is about to handle.
   *
   * @param carrier the connection of a subscription whose event this is
   * @param bytes the size of the peer's data in the event
   */
  createTrace(event: MailboxEvent, carrier: Connection | undefined, bytes: number, onEnded: () => void): HandleTrace {
    const message = {
      event,
      connection: carrier ?? event.connection,
      ...this.#place,
      channel: this.#channel,
      bytes: event.type === "message" || isControl(event) ? bytes : undefined,
      isAsync: false,
    };
    return new HandleTrace(this.#diagnostics, message, onEnded);
  }

  get #place(): { readonly route: string; readonly server: string } {
    return { route: this.#route, server: this.#diagnostics.server };
  }
}
