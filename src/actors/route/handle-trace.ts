/**
 * The trace of one event on `tracingChannel("sendall.handle")`, from the call of the handler until the event is over. The handler actor
 * creates a trace while somebody subscribes, and calls each method in order; the steps are those of Node's `tracePromise`.
 */
import { AsyncResource } from "node:async_hooks";
import type { TracedEvent } from "../../api/tracing.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { type Diagnostics, handleChannel } from "../../runtime/diagnostics.js";

/** The message as parts of this package see the message. */
export interface HandledEvent extends TracedEvent {
  isAsync: boolean;
  error?: unknown;
  /**
   * Set by a subscriber of `start`: calls the handler in a context that is no `AsyncLocalStorage`, which `bindStore` would take. MUST call
   * `code` once, and return what `code` returns.
   */
  around?: <R>(code: () => R) => R;
}

export class HandleTrace {
  readonly #diagnostics: Diagnostics;
  readonly #message: HandledEvent;
  readonly #onEnded: () => void;
  /** Later steps are published in the stores of `start`. */
  #scope: AsyncResource | undefined;
  #alarm: Timer | undefined;

  constructor(diagnostics: Diagnostics, message: HandledEvent, onEnded: () => void) {
    this.#diagnostics = diagnostics;
    this.#message = message;
    this.#onEnded = onEnded;
  }

  /** Calls the handler within the stores that subscribers have bound. */
  run<R>(code: () => R): R {
    return this.#diagnostics.run(() =>
      handleChannel.start.runStores(this.#message, () => {
        this.#scope = new AsyncResource("sendall.handle");
        const { around } = this.#message;
        return around === undefined ? code() : around(code);
      }),
    );
  }

  /** The handler has returned, and the event is not over. */
  returned(): void {
    this.#message.isAsync = true;
    this.#publish("end");
  }

  /**
   * The handler has returned, and the event's time limit may be lifted. Once lifted, the event may last as long as its connection; the
   * trace does not.
   */
  deferred(until: { readonly isUntimed: boolean }, clock: Clock, timeoutMs: number): void {
    this.returned();
    this.#alarm = clock.after(timeoutMs, () => {
      if (until.isUntimed) this.ended();
    });
  }

  failed(error: unknown): void {
    this.#message.error = error;
    this.#publish("error");
    this.ended();
  }

  /** The event is over. */
  ended(): void {
    this.#alarm?.cancel();
    this.#onEnded();
    if (this.#message.isAsync) {
      this.#publish("asyncStart");
      this.#publish("asyncEnd");
    } else this.#publish("end");
  }

  #publish(step: "end" | "asyncStart" | "asyncEnd" | "error"): void {
    this.#diagnostics.run(() => this.#scope?.runInAsyncScope(() => handleChannel[step].publish(this.#message)));
  }
}
