/**
 * The queue between a SockJS client and its connection: messages that have arrived and are not delivered yet. A single request or
 * frame may carry any number of messages, and the handler's mailbox may be full after the first (contract 5): the rest waits here,
 * and so does the answer to the request. A session has a queue from its opening to its end.
 */

import { Fifo } from "../runtime/fifo.js";
import type { TransportListener } from "../transport/transport.js";

interface InboundBatch {
  readonly messages: readonly string[];
  /** Index of the next message to deliver. */
  next: number;
  /** Called after the last message was delivered or dropped. */
  readonly done: () => void;
}

export class InboundQueue {
  readonly #listener: Pick<TransportListener, "message">;
  readonly #batches = new Fifo<InboundBatch>();
  #current: InboundBatch | undefined;
  /** Number of messages in the queue. */
  waiting = 0;
  #isPaused = false;
  #isResting = false;
  #isClosing = false;
  #isClosed = false;
  #isDelivering = false;

  constructor(listener: Pick<TransportListener, "message">) {
    this.#listener = listener;
  }

  push(messages: readonly string[], done: () => void = () => {}): void {
    this.waiting += messages.length;
    this.#batches.push({ messages, next: 0, done });
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = !this.#isClosing;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  /** While the peer rests, an answer waits until the message delivered last has got its tokens. */
  setResting(isResting: boolean): void {
    this.#isResting = isResting;
    this.#deliver();
  }

  /** Delivers every queued message, even to a full mailbox (contract 11). Later messages are dropped. */
  close(): void {
    this.#isClosing = true;
    this.resume();
    this.#isClosed = true;
  }

  /** Does nothing inside itself: delivering a message may pause and resume the session. */
  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (let batch = this.#nextBatch(); batch !== undefined; batch = this.#nextBatch()) {
        const text = batch.messages[batch.next++];
        this.waiting--;
        if (text !== undefined) this.#listener.message(text, Buffer.byteLength(text));
      }
    } finally {
      this.#isDelivering = false;
    }
  }

  /** @returns the batch with the next message to deliver; `undefined` while the queue is empty or paused */
  #nextBatch(): InboundBatch | undefined {
    for (;;) {
      this.#current ??= this.#batches.shift();
      const current = this.#current;
      if (current === undefined || (this.#isResting && !this.#isClosing)) return undefined;
      if (this.#isClosed || current.next >= current.messages.length) {
        this.#current = undefined;
        this.waiting -= current.messages.length - current.next;
        current.done();
      } else return this.#isPaused ? undefined : current;
    }
  }
}
