/**
 * What a session's client has sent and its connection has not been told yet. One request brings any number of messages, and
 * the handler's mailbox may be full after the first (contract 5): the rest waits here, and so does the request's answer.
 */

import { Fifo } from "../runtime/fifo.js";
import type { TransportListener } from "../transport/transport.js";

interface Brought {
  readonly messages: readonly string[];
  /** How many of them were delivered. */
  next: number;
  /** All of them are. */
  readonly done: () => void;
}

export class Inbox {
  readonly #peer: Pick<TransportListener, "message">;
  readonly #brought = new Fifo<Brought>();
  #current: Brought | undefined;
  /** How many messages wait here. */
  waiting = 0;
  #isPaused = false;
  #isEnding = false;
  #isOver = false;
  #isDelivering = false;

  constructor(peer: Pick<TransportListener, "message">) {
    this.#peer = peer;
  }

  push(messages: readonly string[], done: () => void = () => {}): void {
    this.waiting += messages.length;
    this.#brought.push({ messages, next: 0, done });
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = !this.#isEnding;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  /** The session ends: what has arrived is delivered all the same (contract 11), and what comes later is not. */
  end(): void {
    this.#isEnding = true;
    this.resume();
    this.#isOver = true;
  }

  /** Not while it is at it already: a message may pause the session, and resume it. */
  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (let one = this.#next(); one !== undefined; one = this.#next()) {
        const text = one.messages[one.next++];
        this.waiting--;
        if (text !== undefined) this.#peer.message(text, Buffer.byteLength(text));
      }
    } finally {
      this.#isDelivering = false;
    }
  }

  /** What is to be delivered next; `undefined` if there is nothing, or it has to wait. */
  #next(): Brought | undefined {
    for (;;) {
      this.#current ??= this.#brought.shift();
      const current = this.#current;
      if (current === undefined) return undefined;
      if (this.#isOver || current.next >= current.messages.length) {
        this.#current = undefined;
        this.waiting -= current.messages.length - current.next;
        current.done();
      } else return this.#isPaused ? undefined : current;
    }
  }
}
