/**
 * The messages of a client that wait for a connection, bounded in number and bytes. `client.ts` keeps messages here while no open socket
 * takes them, and flushes the queue after the callbacks for a new connection.
 */
import type { Channel } from "./channels.js";
import type { ClientData } from "./options.js";
import type { Message } from "./socket.js";

interface WaitingMessage {
  /** The frame to send. */
  readonly message: Message;
  /** What the program gave to `send`. */
  readonly data: ClientData;
  readonly owner: Channel | undefined;
  readonly bytes: number;
}

export class OfflineQueue {
  readonly #limits: { readonly maxMessages: number; readonly maxBytes: number };
  /** Oldest first. */
  #waiting: WaitingMessage[] = [];
  #bytes = 0;

  constructor(limits: { readonly maxMessages: number; readonly maxBytes: number }) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** @returns `false` if the message is beyond a limit, and is not kept */
  push(message: WaitingMessage): boolean {
    const { maxMessages, maxBytes } = this.#limits;
    if (this.length >= maxMessages || this.#bytes + message.bytes > maxBytes) return false;
    this.#waiting.push(message);
    this.#bytes += message.bytes;
    return true;
  }

  /** Sends the messages in order, up to the first that is not taken. */
  flush(send: (message: Message) => boolean): void {
    const kept = this.#waiting.findIndex(({ message }) => !send(message));
    this.#keep(kept < 0 ? [] : this.#waiting.slice(kept));
  }

  /** Removes the messages of an owner. @returns what the program gave to `send` */
  take(owner: Channel | undefined): readonly ClientData[] {
    const taken = this.#waiting.filter((waiting) => waiting.owner === owner);
    this.#keep(this.#waiting.filter((waiting) => waiting.owner !== owner));
    return taken.map(({ data }) => data);
  }

  #keep(waiting: WaitingMessage[]): void {
    this.#waiting = waiting;
    this.#bytes = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
