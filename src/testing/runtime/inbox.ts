/**
 * The messages that a test's client has got, and which of them the test has taken. Each test client and each dialled client has an inbox,
 * which keeps its messages after the client's end.
 */
import type { SendallError } from "../../api/errors.js";
import { Fifo } from "../../runtime/fifo.js";

/** The client of an inbox. */
export interface InboxOwner {
  /** No further message can come. */
  readonly isOver: boolean;
  /** The error for a test that waits for a message which cannot come. @param awaited the name, on a typed client */
  noMessage(awaited: string | undefined): SendallError;
  /** Settles the runtime; an explored runtime stops as soon as `until` holds. Absent if every message goes elsewhere. */
  readonly settleUntil?: ((until: () => boolean) => Promise<void>) | undefined;
}

/** A message of a protocol, with its place in the inbox. */
interface NamedMessage {
  readonly index: number;
  readonly payload: unknown;
}

export class Inbox {
  /** Every message so far. */
  readonly received: (string | Buffer)[] = [];
  readonly #owner: InboxOwner;
  /** By the awaited name, each settles with the last call of `next` or `nextNamed`. */
  readonly #lastNext = new Map<string | undefined, Promise<unknown>>();
  /** Messages before this index are taken. */
  #start = 0;
  /** What is taken beyond `#start`. */
  readonly #takenAhead = new Set<number>();
  readonly #named = new Map<string, Fifo<NamedMessage>>();

  constructor(owner: InboxOwner) {
    this.#owner = owner;
  }

  push(data: string | Buffer): void {
    this.received.push(data);
  }

  /** The message that has come last is a message of a protocol. */
  nameLast(name: string, payload: unknown): void {
    const messages = this.#named.get(name) ?? new Fifo<NamedMessage>();
    this.#named.set(name, messages);
    messages.push({ index: this.received.length - 1, payload });
  }

  /** The message that has come last is the answer of a call, and nothing for `take` and `next`. */
  takeLast(): void {
    this.#take(this.received.length - 1);
  }

  take(): (string | Buffer)[] {
    const messages = this.received.slice(this.#start).filter((_, index) => !this.#takenAhead.has(this.#start + index));
    this.#start = this.received.length;
    this.#takenAhead.clear();
    return messages;
  }

  /** Calls at the same time get messages in the order of the calls. */
  next(): Promise<string | Buffer> {
    return this.#inTurn(undefined, async () => {
      await this.#settleUntil(() => this.#start < this.received.length);
      const message = this.received[this.#start];
      if (message === undefined) throw this.#owner.noMessage(undefined);
      this.#take(this.#start);
      return message;
    });
  }

  /** The payload of the next message of a name. Messages of other names stay. */
  nextNamed(name: string): Promise<unknown> {
    return this.#inTurn(name, async () => {
      await this.#settleUntil(() => this.#firstNamed(name) !== undefined);
      const message = this.#firstNamed(name);
      if (message === undefined) throw this.#owner.noMessage(name);
      this.#take(message.index);
      return message.payload;
    });
  }

  #inTurn<T>(name: string | undefined, next: () => Promise<T>): Promise<T> {
    const turn = (this.#lastNext.get(name) ?? Promise.resolve()).then(next);
    this.#lastNext.set(
      name,
      turn.catch(() => {}),
    );
    return turn;
  }

  async #settleUntil(isThere: () => boolean): Promise<void> {
    const owner = this.#owner;
    const isDone = (): boolean => isThere() || owner.isOver;
    if (!isDone()) await owner.settleUntil?.(isDone);
  }

  /** The first message of a name that is not taken. */
  #firstNamed(name: string): NamedMessage | undefined {
    const messages = this.#named.get(name);
    while (messages?.first !== undefined && this.#isTaken(messages.first.index)) messages.shift();
    return messages?.first;
  }

  #isTaken(index: number): boolean {
    return index < this.#start || this.#takenAhead.has(index);
  }

  #take(index: number): void {
    if (index >= this.#start) this.#takenAhead.add(index);
    while (this.#takenAhead.delete(this.#start)) this.#start++;
  }
}
