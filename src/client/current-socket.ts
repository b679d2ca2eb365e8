/**
 * The current socket of a client: the machine dials, closes and terminates sockets here, and the client sends messages here. A client has
 * at most one current socket, and none between two attempts. A `CurrentSocket` lives as long as its client.
 */
import type { SocketControl } from "./machine.js";
import { ClientSocket, LOST_CONNECTION, type Message, type SocketFactory, type SocketListener } from "./socket.js";

export class CurrentSocket implements SocketControl {
  readonly #url: string;
  readonly #factory: SocketFactory;
  readonly #listener: SocketListener;
  #socket: ClientSocket | undefined;

  constructor(url: string, factory: SocketFactory, listener: SocketListener) {
    this.#url = url;
    this.#factory = factory;
    this.#listener = listener;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get protocol(): string {
    return this.#socket?.protocol ?? "";
  }

  /** Hands a message to the current socket. @returns `false` if no open socket takes the message */
  send(data: Message): boolean {
    return this.#socket?.send(data) ?? false;
  }

  dial(): void {
    this.#socket = new ClientSocket(this.#url, {
      onOpened: () => this.#listener.onOpened(),
      onMessage: (data) => this.#listener.onMessage(data),
      onFailed: (error) => this.#listener.onFailed(error),
      onClosed: (end) => {
        this.#socket = undefined;
        this.#listener.onClosed(end);
      },
    });
    this.#socket.start(this.#factory);
  }

  close(code: number, reason: string): void {
    // Between two attempts there is no socket to close, but the machine still waits for an end.
    if (this.#socket === undefined) queueMicrotask(() => this.#listener.onClosed(LOST_CONNECTION));
    else this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket?.terminate();
  }
}
