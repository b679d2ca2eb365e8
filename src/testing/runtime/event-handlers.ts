/** The event handlers (`onopen`, `onmessage` …) of a socket of `runtime.WebSocket`. Each socket has one object for its whole life. */

export type EventHandler = (event: Event) => unknown;

/** Registers a single listener per event type at the socket. A new handler takes the old handler's place among the listeners. */
export class EventHandlers {
  readonly #target: EventTarget;
  readonly #handlers = new Map<string, EventHandler>();

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get(type: string): EventHandler | null {
    return this.#handlers.get(type) ?? null;
  }

  /** Any value but a function removes the handler. */
  set(type: string, handler: unknown): void {
    const isFirst = !this.#handlers.has(type);
    if (typeof handler !== "function") {
      this.#handlers.delete(type);
      this.#target.removeEventListener(type, this.#dispatch);
      return;
    }
    this.#handlers.set(type, handler as EventHandler);
    if (isFirst) this.#target.addEventListener(type, this.#dispatch);
  }

  readonly #dispatch = (event: Event): void => {
    this.#handlers.get(event.type)?.call(this.#target, event);
  };
}
