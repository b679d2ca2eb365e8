/**
 * The actor of one connection under a `perConnection` loop: hands the loop each message when it asks, and takes a message for
 * handled when the loop asks for the next.
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

/**
 * One loop for each connection. Its end closes the connection with 1000, what it throws closes it with 1011. A message counts as
 * handled when the loop asks for the next, within `handlerTimeoutMs`. Before it first asks, and once it has left its `for await`, it
 * may take as long as it likes; when its connection goes meanwhile `connection.signal` tells it, and a new `bus.sleep` rejects with
 * that signal's `AbortError`, so that it ends. An `AbortError` after the end of the connection is no failure. What it does not read
 * waits, bounded by `mailbox`: a peer that sends more is paused, and one that is paused for longer than `handlerTimeoutMs` is given
 * up by the heartbeat, which it cannot answer.
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
  /** Who waits for a message: one, unless somebody reads by hand and does not wait. */
  readonly #asking: ((result: Result) => void)[] = [];
  /** The event that the loop is at: until it asks for the next. */
  #underWay: DeferredTimeout | undefined;
  #ending: Ending | undefined;
  /** The loop has ended, or is not waited for any more. */
  #isOver = false;

  /** @param onFailed the loop has thrown while no event was under way */
  constructor(loop: ConnectionLoop, connection: Connection, bus: RouteBus, onFailed: (error: unknown) => void) {
    this.#loop = loop;
    this.#connection = connection;
    this.#bus = new ConnectionBus(bus, connection, () => this.#isOver || this.#underWay?.isFree === true);
    this.#onFailed = onFailed;
  }

  handle(event: MailboxEvent): DeferredTimeout | undefined {
    if (this.#isOver) return undefined;
    switch (event.type) {
      case "open":
        return this.#start();
      case "message":
        return this.#give(event.data);
      case "idle":
        return this.#give(idle);
      case "info":
        return this.#give(event);
      case "closed":
        return this.#end(endingOf(event));
      default:
        return undefined;
    }
  }

  /** It is left to itself: what it still throws is logged when it does. */
  crash(): void {
    this.#isOver = true;
  }

  #start(): DeferredTimeout {
    // Until it asks it does as it likes: it may never want to hear of its peer.
    const opening = this.#begin(true);
    const iterator = this.#iterator();
    void this.#run(Object.assign(this.#connection, { [Symbol.asyncIterator]: () => iterator }));
    return opening;
  }

  async #run(connection: LoopConnection): Promise<void> {
    try {
      await this.#loop(connection, this.#bus);
      connection.close(NORMAL.code, NORMAL.reason);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isOver = true;
      this.#handled();
    }
  }

  #give(message: LoopMessage): DeferredTimeout | undefined {
    this.#asking.shift()?.({ done: false, value: message });
    return this.#asking.length > 0 ? undefined : this.#begin(false);
  }

  #end(ending: Ending): DeferredTimeout {
    this.#ending = ending;
    for (const ask of this.#asking.splice(0)) ask({ done: true, value: ending });
    return this.#begin(false);
  }

  #iterator(): AsyncIterator<LoopMessage, Ending | undefined> {
    return {
      next: () => this.#next(),
      // It has left the messages, and may come back.
      return: async () => {
        this.#underWay?.free();
        return { done: true, value: this.#ending };
      },
    };
  }

  async #next(): Promise<Result> {
    // One that has been told of the end is at its goodbyes, however often it asks.
    if (this.#isOver || this.#ending !== undefined) return { done: true, value: this.#ending };
    this.#handled();
    return new Promise((resolve) => {
      this.#asking.push(resolve);
    });
  }

  #begin(isFree: boolean): DeferredTimeout {
    this.#underWay = new DeferredTimeout(isFree);
    return this.#underWay;
  }

  #handled(): void {
    this.#underWay?.done();
    this.#underWay = undefined;
  }

  #failed(error: unknown): void {
    // What waited for something with `connection.signal` has been told to give up.
    if (!this.#connection.isOpen && isError(error) && readProperty(error, "name") === "AbortError") return;
    if (this.#underWay === undefined) this.#onFailed(error);
    else this.#underWay.failed(error);
  }
}
