/**
 * The actor of one connection under a `perConnection` loop: hands the loop each message when it asks, and takes a message for
 * handled when the loop asks for the next.
 */
import { Patient } from "../bus/runner.js";
import { NORMAL } from "../closing.js";
import type { Ending } from "../contracts.js";
import type { Bus, Connection, ConnectionData, InfoEvent, MailboxEvent, Params } from "../events.js";
import type { ActorBus } from "./actorBus.js";
import { endingOf } from "./ending.js";
import { idle } from "./idle.js";
import type { ConnectionActor } from "./perConnection.js";

/**
 * What a loop gets: a message (a string from a text frame, a Buffer from a binary one), {@link idle} for silence, or an `info`
 * event from the rest of the program.
 */
export type LoopMessage<D = ConnectionData, P = Params> = string | Buffer | typeof idle | InfoEvent<D, P>;

/**
 * A connection that is read in a loop: `for await (const message of connection)`. The loop ends when the connection does; read by
 * hand, `next()` then tells how it ended. Leaving the loop early does not close the connection, and it can be read on.
 */
export interface LoopConnection<D = ConnectionData, P = Params> extends Connection<D, P> {
  /** The messages of its peer, one at a time; there is one reader for each connection. */
  [Symbol.asyncIterator](): AsyncIterator<LoopMessage<D, P>, Ending | undefined>;
}

/** One loop for each connection. Its end closes the connection with 1000, what it throws closes it with 1011. */
export type ConnectionLoop<D = ConnectionData, P = Params> = (
  connection: LoopConnection<D, P>,
  bus: Bus<D, P>,
) => unknown;

type Result = IteratorResult<LoopMessage, Ending | undefined>;

/** Resolved by hand. */
interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function defer(): Deferred {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

export class LoopActor implements ConnectionActor {
  readonly #loop: ConnectionLoop;
  readonly #connection: Connection;
  readonly #bus: ActorBus;
  readonly #onFailed: (error: unknown) => void;
  /** Who waits for a message: one, unless somebody reads by hand and does not wait. */
  readonly #asking: ((result: Result) => void)[] = [];
  /** What came while the loop was not asking. */
  readonly #ready: LoopMessage[] = [];
  /** What is under way: an event, or the time until the loop first asks. */
  #underWay: Deferred | undefined;
  #ending: Ending | undefined;
  /** The loop has ended, or is not waited for any more. */
  #isOver = false;

  /** @param onFailed the loop has thrown while no event was under way */
  constructor(loop: ConnectionLoop, connection: Connection, bus: ActorBus, onFailed: (error: unknown) => void) {
    this.#loop = loop;
    this.#connection = connection;
    this.#bus = bus;
    this.#onFailed = onFailed;
  }

  handle(event: MailboxEvent): unknown {
    if (event.type === "open") return this.#start();
    if (event.type === "closed") return this.#end(endingOf(event));
    if (this.#isOver) return undefined;
    if (event.type === "message") return this.#give(event.data);
    if (event.type === "idle") return this.#give(idle);
    return event.type === "info" ? this.#give(event) : undefined;
  }

  crash(): void {
    this.#isOver = true;
    this.#handled();
  }

  #start(): unknown {
    const iterator = this.#iterator();
    void this.#run(Object.assign(this.#connection, { [Symbol.asyncIterator]: () => iterator }));
    // Until it asks it does as it likes: it may never want to hear of its peer.
    return this.#asking.length > 0 ? undefined : new Patient(this.#begin());
  }

  async #run(connection: LoopConnection): Promise<void> {
    try {
      await this.#loop(connection, this.#bus);
      connection.close(NORMAL.code, NORMAL.reason);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.crash();
    }
  }

  #give(message: LoopMessage): unknown {
    const ask = this.#asking.shift();
    if (ask === undefined) {
      this.#ready.push(message);
      return new Patient(this.#begin());
    }
    ask({ value: message });
    return this.#asking.length > 0 ? undefined : this.#begin();
  }

  #end(ending: Ending): unknown {
    this.#ending = ending;
    for (const ask of this.#asking.splice(0)) ask({ done: true, value: ending });
    return this.#isOver ? undefined : this.#begin();
  }

  #iterator(): AsyncIterator<LoopMessage, Ending | undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.#handled();
        return { done: true, value: this.#ending };
      },
    };
  }

  async #next(): Promise<Result> {
    if (this.#ready.length > 0) return { value: this.#ready.shift() ?? "" };
    this.#handled();
    if (this.#ending !== undefined || this.#isOver) return { done: true, value: this.#ending };
    return new Promise((resolve) => {
      this.#asking.push(resolve);
    });
  }

  #begin(): Promise<void> {
    this.#underWay = defer();
    return this.#underWay.promise;
  }

  #handled(): void {
    this.#underWay?.resolve();
    this.#underWay = undefined;
  }

  #failed(error: unknown): void {
    // What waited for something with `connection.signal` has been told to give up.
    if (!this.#connection.isOpen && error instanceof Error && error.name === "AbortError") return;
    if (this.#underWay === undefined || this.#isOver) this.#onFailed(error);
    else this.#underWay.reject(error);
  }
}
