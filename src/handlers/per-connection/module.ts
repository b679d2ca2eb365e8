/**
 * The actor of a connection under a `perConnection` module: a state, and a callback for each kind of event. The actor ends after the
 * `closed` event of its connection.
 */

import type { RouteBus } from "../../actors/route/bus.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Bus } from "../../api/bus.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import type { BackEvent, Ending } from "../../api/events.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { endingOf } from "../ending.js";
import type { ConnectionActor } from "./connection-actor.js";
import { ConnectionBus } from "./connection-bus.js";
import { idle } from "./idle.js";
import { type Reply, readReply, type SingleReply } from "./reply.js";

type Awaitable<T> = T | Promise<T>;

/**
 * A handler for one connection at a time, as a module of callbacks. A callback may be async; the next event of the same connection
 * waits for the callback, events of different connections do not. After a callback has succeeded, its replies are sent and the last
 * reply's state becomes the connection's state. The first callback that throws, takes longer than `handlerTimeoutMs`, or returns no
 * reply closes only its own connection, with 1011.
 */
export interface ConnectionModule<S = unknown, D = ConnectionData, P = Params> {
  /** Called when the connection has opened; makes the connection's state. */
  init(connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<S>;
  /** Called with a message: a string from a text frame, a Buffer from a binary frame. */
  handle(message: string | Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called with data from the rest of the program (`tell`) or from a timer (`after`), which goes to the connection that set the timer. */
  info?(data: unknown, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called when the peer has been silent for the `ms` milliseconds of `connection.idle(ms)`. */
  idle?(silence: typeof idle, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called after a ping of the peer, which has been answered already (RFC 6455 section 5.5.2). */
  ping?(data: Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called after a pong of the peer (RFC 6455 section 5.5.3), but not for pongs that answer the heartbeat. */
  pong?(data: Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called when the connection has lost its socket and waits for another (option `resume`); `back` or `closed` follows. */
  away?(state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Called when a connection that was away has a socket again. The first argument says how many messages were missed. */
  back?(
    missed: Pick<BackEvent, "replayed" | "lost">,
    state: S,
    connection: Connection<D, P>,
    bus: Bus<D, P>,
  ): Awaitable<Reply<S>>;
  /** Called when the connection has ended, if `init` had succeeded; also after a crash, with the state from before the crash. */
  closed?(state: S, connection: Connection<D, P>, ending: Ending, bus: Bus<D, P>): unknown;
}

export class ModuleActor implements ConnectionActor {
  readonly #module: ConnectionModule;
  readonly #connection: Connection;
  readonly #bus: ConnectionBus;
  #state: unknown;
  #hasState = false;
  #hasCrashed = false;

  constructor(module: ConnectionModule, connection: Connection, bus: RouteBus) {
    this.#module = module;
    this.#connection = connection;
    this.#bus = new ConnectionBus(bus, connection);
  }

  handle(event: MailboxEvent): unknown {
    const connection = this.#connection;
    const bus = this.#bus;
    const module = this.#module;
    const state = this.#state;
    if (event.type === "closed")
      return this.#hasState ? module.closed?.(state, connection, endingOf(event), bus) : undefined;
    if (this.#hasCrashed) return undefined;
    switch (event.type) {
      case "open":
        return this.#whenSettled(module.init(connection, bus), (first) => this.#setState(first));
      case "message":
        return this.#applyReplies("handle", module.handle(event.data, state, connection, bus));
      case "info":
        return module.info && this.#applyReplies("info", module.info(event.data, state, connection, bus));
      case "idle":
        return module.idle && this.#applyReplies("idle", module.idle(idle, state, connection, bus));
      case "away":
        return module.away && this.#applyReplies("away", module.away(state, connection, bus));
      case "back":
        return module.back && this.#applyReplies("back", module.back(missedBy(event), state, connection, bus));
      case "ping":
        return module.ping && this.#applyReplies("ping", module.ping(event.data, state, connection, bus));
      case "pong":
        return module.pong && this.#applyReplies("pong", module.pong(event.data, state, connection, bus));
      default:
        return undefined;
    }
  }

  crash(): void {
    this.#hasCrashed = true;
  }

  #applyReplies(callback: string, returned: unknown): unknown {
    return this.#whenSettled(returned, (value) => {
      const replies = readReply(value, callback);
      for (const reply of replies) this.#perform(reply);
      const last = replies.at(-1);
      if (last !== undefined) this.#setState(last.state);
    });
  }

  /** Calls `then` at once for any value but a promise, so that no further event has to wait for a synchronous callback. */
  #whenSettled(returned: unknown, then: (value: unknown) => void): unknown {
    if (!isPromiseLike(returned)) return then(returned);
    return Promise.resolve(returned).then((value) => {
      // Ignore a result that comes after the callback's timeout.
      if (!this.#hasCrashed) then(value);
    });
  }

  #perform(reply: SingleReply<unknown>): void {
    const connection = this.#connection;
    if (reply.type === "reply") connection.send(reply.data);
    else if (reply.type === "ping") connection.ping(reply.data);
    else if (reply.type === "pong") this.#bus.pong(reply.data);
    else if (reply.type === "close") connection.close(reply.code, reply.reason);
  }

  #setState(state: unknown): void {
    this.#state = state;
    this.#hasState = true;
  }
}

function missedBy({ replayed, lost }: BackEvent): Pick<BackEvent, "replayed" | "lost"> {
  return { replayed, lost };
}
