/** The actor of one connection under a `perConnection` module: a state, and a callback for each kind of event. */

import type { RouteBus } from "../../actors/route/bus.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Bus } from "../../api/bus.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { endingOf } from "../ending.js";
import type { ConnectionActor } from "./connection-actor.js";
import { ConnectionBus } from "./connection-bus.js";
import { idle } from "./idle.js";
import { type Reply, readReply, type SingleReply } from "./reply.js";

type Awaitable<T> = T | Promise<T>;

/**
 * A handler for one connection at a time, as a module of callbacks. Each may be async; the next event of its connection waits
 * for it, other connections do not. What it returns is sent and becomes the state once it has succeeded. The first callback
 * that throws, takes longer than `handlerTimeoutMs`, or returns no reply closes its connection with 1011, and nobody else's.
 */
export interface ConnectionModule<S = unknown, D = ConnectionData, P = Params> {
  /** The connection has opened: makes its state. */
  init(connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<S>;
  /** A message: a string from a text frame, a Buffer from a binary one. */
  handle(message: string | Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** Something from the rest of the program (`tell`) or an alarm (`after`), which rings for the connection that set it. */
  info?(data: unknown, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** The peer has been silent for as long as `connection.idle(ms)` asked. */
  idle?(silence: typeof idle, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** A ping of the peer, which has been answered (RFC 6455 section 5.5.2). */
  ping?(data: Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** A pong of the peer (RFC 6455 section 5.5.3); the heartbeat's are left out. */
  pong?(data: Buffer, state: S, connection: Connection<D, P>, bus: Bus<D, P>): Awaitable<Reply<S>>;
  /** The connection has ended, if `init` had succeeded; also after a crash, with the state of before. */
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
        return this.#settle(module.init(connection, bus), (first) => this.#keep(first));
      case "message":
        return this.#obey("handle", module.handle(event.data, state, connection, bus));
      case "info":
        return module.info && this.#obey("info", module.info(event.data, state, connection, bus));
      case "idle":
        return module.idle && this.#obey("idle", module.idle(idle, state, connection, bus));
      case "ping":
        return module.ping && this.#obey("ping", module.ping(event.data, state, connection, bus));
      case "pong":
        return module.pong && this.#obey("pong", module.pong(event.data, state, connection, bus));
      default:
        return undefined;
    }
  }

  crash(): void {
    this.#hasCrashed = true;
  }

  #obey(callback: string, returned: unknown): unknown {
    return this.#settle(returned, (value) => {
      const replies = readReply(value, callback);
      for (const one of replies) this.#carryOut(one);
      const last = replies.at(-1);
      if (last !== undefined) this.#keep(last.state);
    });
  }

  /** Goes on at once with what is there at once: an event that waits for nothing holds nobody up. */
  #settle(returned: unknown, then: (value: unknown) => void): unknown {
    if (!isPromiseLike(returned)) return then(returned);
    return Promise.resolve(returned).then((value) => {
      // One that has taken too long comes too late.
      if (!this.#hasCrashed) then(value);
    });
  }

  #carryOut(one: SingleReply<unknown>): void {
    const connection = this.#connection;
    if (one.type === "reply") connection.send(one.data);
    else if (one.type === "ping") connection.ping(one.data);
    else if (one.type === "pong") this.#bus.pong(one.data);
    else if (one.type === "close") connection.close(one.code, one.reason);
  }

  #keep(state: unknown): void {
    this.#state = state;
    this.#hasState = true;
  }
}
