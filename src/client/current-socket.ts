/**
 * The sockets of one client, one after the other: the machine dials, hangs up and drops here, the client sends here. There is
 * never more than one socket that anybody listens to.
 */
import type { ClientLine } from "./machine.js";
import { Attempt, LOST, type Message, type SocketFactory, type SocketListener } from "./socket.js";

export class Line implements ClientLine {
  readonly #url: string;
  readonly #factory: SocketFactory;
  readonly #listener: SocketListener;
  #attempt: Attempt | undefined;

  constructor(url: string, factory: SocketFactory, listener: SocketListener) {
    this.#url = url;
    this.#factory = factory;
    this.#listener = listener;
  }

  get bufferedAmount(): number {
    return this.#attempt?.bufferedAmount ?? 0;
  }

  get protocol(): string {
    return this.#attempt?.protocol ?? "";
  }

  /** Hands a message to the socket; `false` if there is none that takes it. */
  send(data: Message): boolean {
    return this.#attempt?.send(data) ?? false;
  }

  dial(): void {
    this.#attempt = new Attempt(this.#url, {
      opened: () => this.#listener.opened(),
      message: (data) => this.#listener.message(data),
      failed: (error) => this.#listener.failed(error),
      ended: (end) => {
        this.#attempt = undefined;
        this.#listener.ended(end);
      },
    });
    this.#attempt.start(this.#factory);
  }

  close(code: number, reason: string): void {
    // Between two attempts there is nobody to hang up on, but whoever waits for the end hears of it all the same.
    if (this.#attempt === undefined) queueMicrotask(() => this.#listener.ended(LOST));
    else this.#attempt.close(code, reason);
  }

  drop(): void {
    this.#attempt?.drop();
  }
}
