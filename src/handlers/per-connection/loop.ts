/**
 * The actor of a connection under a `perConnection` loop. The actor hands a message to the loop when the loop asks for a message, and
 * counts the message as handled when the loop asks for the next. The actor ends when its loop has ended.
 */
import type { RouteBus } from "../../actors/route/bus.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import { DeferredTimeout } from "../../actors/route/runner.js";
import type { Bus } from "../../api/bus.js";
import { NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import type { Ending, InfoEvent } from "../../api/events.js";
import { isError, readProperty } from "../../runtime/thrown.js";
import { endingOf } from "../ending.js";
import type { ConnectionActor } from "./connection-actor.js";
import { ConnectionBus } from "./connection-bus.js";
import { idle } from "./idle.js";

/**
 * What a loop reads: a message (a string from a text frame, a Buffer from a binary frame), {@link idle} for silence, or an `info`
 * event from the rest of the program.
 */
export type LoopMessage<D = ConnectionData, P = Params> = string | Buffer | typeof idle | InfoEvent<D, P>;

/**
 * A connection that a loop reads: `for await (const message of connection)`. The loop ends when the connection ends; code that
 * calls `next()` by hand then gets the {@link Ending} as the value. Leaving the loop early does not close the connection, and a later
 * loop can read on.
 */
export interface LoopConnection<D = ConnectionData, P = Params> extends Connection<D, P> {
  /** The messages of the peer, one at a time; each connection has one reader. */
  [Symbol.asyncIterator](): AsyncIterator<LoopMessage<D, P>, Ending | undefined>;
}

/**
 * A loop that runs once for each connection. The end of the loop closes the connection with 1000; an exception closes the connection
 * with 1011. A message counts as handled when the loop asks for the next message, which must happen within `handlerTimeoutMs`. Before
 * its first message, and after leaving its `for await`, the loop may take any time. A connection that is away (option `resume`) has not
 * ended: the loop goes on waiting, and `connection.isAway` tells. If the connection ends meanwhile,
 * `connection.signal` is aborted, and a new `bus.sleep` rejects with the signal's `AbortError`, so that the loop ends. An `AbortError`
 * after the end of the connection is no failure. Unread messages wait, bounded by `mailbox`: Sendall pauses a peer that sends more. A
 * peer that is paused for longer than `handlerTimeoutMs` cannot answer the heartbeat, which then closes the connection.
 */
export type ConnectionLoop<D = ConnectionData, P = Params> = (
  connection: LoopConnection<D, P>,
  bus: Bus<D, P>,
) => unknown;

type Result = IteratorResult<LoopMessage, Ending | undefined>;

export class LoopActor implements ConnectionActor {
  readonly #loop: ConnectionLoop;
  readonly #connection: Connection;
  readonly #bus: ConnectionBus;
  readonly #onFailed: (error: unknown) => void;
  /** The pending calls of `next()`: at most one under `for await`; code that calls `next()` by hand can have several. */
  readonly #readers: ((result: Result) => void)[] = [];
  /** The event that the loop is handling, until the loop asks for the next. */
  #current: DeferredTimeout | undefined;
  #ending: Ending | undefined;
  /** The loop has ended, or the actor has crashed and no longer waits for the loop. */
  #hasEnded = false;

  /** @param onFailed called with an error of the loop outside any event */
  constructor(loop: ConnectionLoop, connection: Connection, bus: RouteBus, onFailed: (error: unknown) => void) {
    this.#loop = loop;
    this.#connection = connection;
    this.#bus = new ConnectionBus(bus, connection, () => this.#hasEnded || this.#current?.isUntimed === true);
    this.#onFailed = onFailed;
  }

  handle(event: MailboxEvent): DeferredTimeout | undefined {
    if (this.#hasEnded) return undefined;
    switch (event.type) {
      case "open":
        return this.#start();
      case "message":
        return this.#deliver(event.data);
      case "idle":
        return this.#deliver(idle);
      case "info":
        return this.#deliver(event);
      case "closed":
        return this.#onClosed(endingOf(event));
      default:
        return undefined;
    }
  }

  /** Leaves the loop to itself; an exception that comes later is logged. */
  crash(): void {
    this.#hasEnded = true;
  }

  #start(): DeferredTimeout {
    // No timeout before the loop first asks for a message: a loop may ignore its peer for ever.
    const opening = this.#defer(true);
    const iterator = this.#createIterator();
    void this.#run(Object.assign(this.#connection, { [Symbol.asyncIterator]: () => iterator }));
    return opening;
  }

  async #run(connection: LoopConnection): Promise<void> {
    try {
      await this.#loop(connection, this.#bus);
      connection.close(NORMAL.code, NORMAL.reason);
    } catch (error) {
      this.#onLoopFailed(error);
    } finally {
      this.#hasEnded = true;
      this.#settleCurrent();
    }
  }

  #deliver(message: LoopMessage): DeferredTimeout | undefined {
    this.#readers.shift()?.({ done: false, value: message });
    return this.#readers.length > 0 ? undefined : this.#defer(false);
  }

  #onClosed(ending: Ending): DeferredTimeout {
    this.#ending = ending;
    for (const resolve of this.#readers.splice(0)) resolve({ done: true, value: ending });
    return this.#defer(false);
  }

  #createIterator(): AsyncIterator<LoopMessage, Ending | undefined> {
    return {
      next: () => this.#next(),
      // The loop has left its `for await`, and may start another.
      return: async () => {
        this.#current?.lift();
        return { done: true, value: this.#ending };
      },
    };
  }

  async #next(): Promise<Result> {
    // After the ending the loop may still be cleaning up, so another call of `next()` does not settle the `closed` event.
    if (this.#hasEnded || this.#ending !== undefined) return { done: true, value: this.#ending };
    this.#settleCurrent();
    return new Promise((resolve) => {
      this.#readers.push(resolve);
    });
  }

  #defer(isFree: boolean): DeferredTimeout {
    this.#current = new DeferredTimeout(isFree);
    return this.#current;
  }

  #settleCurrent(): void {
    this.#current?.done();
    this.#current = undefined;
  }

  #onLoopFailed(error: unknown): void {
    // An abort is expected where the loop waited with `connection.signal`.
    if (!this.#connection.isOpen && isError(error) && readProperty(error, "name") === "AbortError") return;
    if (this.#current === undefined) this.#onFailed(error);
    else this.#current.failed(error);
  }
}
