/**
 * The diagnostics channels of Node (`node:diagnostics_channel`) on which a server says what happens, for whichever tracing the program has.
 * The channels belong to the process; each server has one `Diagnostics`, from which its parts publish. A publisher MUST ask for
 * subscribers first: without subscribers no message is built.
 */
import { type Channel, channel, type TracingChannel, tracingChannel } from "node:diagnostics_channel";
import type { Clock } from "./clock.js";
import type { Logger } from "./logger.js";
import { type LeakOwner, type RunContext, runContexts, watchLeaksBriefly } from "./unhandled-rejections.js";

// Node keeps channels weakly: these constants keep the objects that subscribers have found by name.
// Types of Node before 26 name the store first, later ones the context: the same type for both suits all.
export const handleChannel: TracingChannel<object, object> = tracingChannel<object, object>("sendall.handle");
const { start, end, asyncStart, asyncEnd, error } = handleChannel;
export const openChannel: Channel = channel("sendall.open");
export const closedChannel: Channel = channel("sendall.closed");
export const refusedChannel: Channel = channel("sendall.refused");

/** Whether somebody subscribes to a step of {@link handleChannel}. Node's `hasSubscribers` of the whole asks the same five; Bun has none. */
export function isHandlingTraced(): boolean {
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  );
}

export class Diagnostics {
  /** The option `name` of the server. */
  readonly server: string;
  /** Node raises what a subscriber throws in the next tick, as uncaught, where this context names an owner who logs the error. */
  readonly #context: RunContext;

  constructor(server: string, clock: Clock, log: Pick<Logger, "error">) {
    this.server = server;
    let hasFailed = false;
    const owner: LeakOwner = {
      clock,
      connection: undefined,
      option: "diagnostics_channel",
      leaked(error) {
        if (hasFailed) return;
        hasFailed = true;
        log.error({ err: error }, "a subscriber of a diagnostics channel failed; further failures are not logged");
      },
    };
    this.#context = { owner, event: undefined };
  }

  publish(to: Channel, message: object): void {
    this.run(() => to.publish(message));
  }

  /** Runs code that publishes. */
  run<R>(code: () => R): R {
    watchLeaksBriefly();
    return runContexts.run(this.#context, code);
  }
}
