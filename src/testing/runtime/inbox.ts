/**
 * The messages that a test's client has got, and how far the test has read them. Each test client and each dialled client has an inbox,
 * which keeps its messages after the client's end.
 */
import type { SendallError } from "../../api/errors.js";

/** The client of an inbox. */
export interface InboxOwner {
  /** No further message can come. */
  readonly isOver: boolean;
  /** The error for a test that waits for a message which cannot come. */
  noMessage(): SendallError;
  /** Settles the runtime; an explored runtime stops as soon as `until` holds. Absent if every message goes elsewhere. */
  readonly settleUntil?: ((until: () => boolean) => Promise<void>) | undefined;
}

export class Inbox {
  /** Every message so far. */
  readonly received: (string | Buffer)[] = [];
  readonly #owner: InboxOwner;
  /** Settles with the last call of `next`. */
  #lastNext: Promise<unknown> = Promise.resolve();
  #taken = 0;

  constructor(owner: InboxOwner) {
    this.#owner = owner;
  }

  take(): (string | Buffer)[] {
    const messages = this.received.slice(this.#taken);
    this.#taken = this.received.length;
    return messages;
  }

  /** Calls at the same time get messages in the order of the calls. */
  next(): Promise<string | Buffer> {
    const next = this.#lastNext.then(() => this.#next());
    this.#lastNext = next.catch(() => {});
    return next;
  }

  async #next(): Promise<string | Buffer> {
    const owner = this.#owner;
    const isDone = (): boolean => this.#taken < this.received.length || owner.isOver;
    if (!isDone()) await owner.settleUntil?.(isDone);
    const message = this.received[this.#taken];
    if (message === undefined) throw owner.noMessage();
    this.#taken++;
    return message;
  }
}
