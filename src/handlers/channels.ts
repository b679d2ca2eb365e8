/** `channels`: many named channels over one socket, each with a handler of any shape. What a socket sends is dealt out here. */
import type { AnyActorRef } from "xstate";
import type { Runner, RunnerHost } from "../bus/runner.js";
import { HANDLER_SHAPES, isHandler, isRecord } from "../checks.js";
import { NORMAL } from "../closing.js";
import type { Handler, ShapedHandler } from "../contracts.js";
import { SendallError, show } from "../errors.js";
import type { Connection, ConnectionData, MailboxEvent, Params } from "../events.js";
import { Channel } from "./channel.js";
import { RunnerMaker } from "./maker.js";
import { isChannelName, readMultiplexed, writeError } from "./multiplex.js";
import { Subscription } from "./subscription.js";

/** Channels by name: names are not empty and hold no comma. */
export type ChannelHandlers<R, D = ConnectionData, P = Params> = {
  readonly [Name in keyof R]: Handler<D, R[Name], P>;
};

class Channels<D, P> extends RunnerMaker<D, P> {
  readonly #handlers: Readonly<Record<string, Handler>>;

  constructor(handlers: Readonly<Record<string, Handler>>) {
    super();
    this.#handlers = handlers;
  }

  makeRunner(host: RunnerHost, root: AnyActorRef): Runner {
    return new ChannelsRunner(this.#handlers, host, root);
  }
}

class ChannelsRunner implements Runner {
  /** Dealing out takes no time: it is the channels whose events may. */
  readonly concurrency = "connection";
  readonly hearsPings: boolean;
  readonly #host: RunnerHost;
  readonly #channels = new Map<string, Channel>();
  /** The subscriptions of each socket by name, until they have ended. */
  readonly #sockets = new Map<Connection, Map<string, Subscription>>();

  constructor(handlers: Readonly<Record<string, Handler>>, host: RunnerHost, root: AnyActorRef) {
    this.#host = host;
    for (const [name, handler] of Object.entries(handlers))
      this.#channels.set(name, new Channel(name, handler, host, root, (error) => this.#ended(error)));
    this.hearsPings = this.#all.some(({ runner }) => runner.hearsPings);
  }

  get #all(): Channel[] {
    return [...this.#channels.values()];
  }

  async init(): Promise<void> {
    for (const { runner } of this.#all) await runner.init();
  }

  async stop(): Promise<void> {
    for (const channel of this.#all) await channel.stop();
  }

  roomCount(): number {
    return this.#all.reduce((sum, { registry, runner }) => sum + registry.roomCount + (runner.roomCount?.() ?? 0), 0);
  }

  readonly handle = (event: MailboxEvent): void => {
    if (event.type === "info" && event.connection === undefined) {
      for (const channel of this.#all) channel.bus.tell(event.data);
      return;
    }
    const { connection } = event;
    if (connection === undefined) return;
    if (event.type === "open") this.#sockets.set(connection, new Map());
    else if (event.type === "message") this.#deal(event.data, connection);
    else for (const subscription of this.#subscriptions(connection)) subscription.take(event);
    if (event.type === "closed") this.#sockets.delete(connection);
  };

  left(connection: Connection, isDiscarded: boolean): void {
    for (const subscription of this.#subscriptions(connection)) subscription.left(isDiscarded);
  }

  #subscriptions(connection: Connection): Subscription[] {
    return [...(this.#sockets.get(connection)?.values() ?? [])];
  }

  #deal(data: string | Buffer, connection: Connection): void {
    const message = readMultiplexed(data);
    if (message === undefined) this.#refuse(connection, "", "expected sub,name or msg,name,payload or uns,name");
    else if (message.verb === "sub") this.#subscribe(message.name, connection);
    else {
      const subscription = this.#sockets.get(connection)?.get(message.name);
      if (subscription === undefined) this.#refuse(connection, message.name, "not subscribed");
      else if (message.verb === "msg") subscription.message(message.payload);
      else subscription.ended({ ...NORMAL, wasClean: true, by: "peer" });
    }
  }

  #subscribe(name: string, connection: Connection): void {
    const channel = this.#channels.get(name);
    const socket = this.#host.bus.find(connection);
    const subscriptions = this.#sockets.get(connection);
    // One that has gone meanwhile has nothing to subscribe with.
    if (socket === undefined || subscriptions === undefined) return;
    if (channel === undefined) this.#refuse(connection, name, "there is no such channel");
    else if (channel.hasEnded) this.#refuse(connection, name, "this channel is closed");
    else if (subscriptions.has(name)) this.#refuse(connection, name, "subscribed already");
    else {
      const subscription = new Subscription(channel, socket, () => subscriptions.delete(name));
      subscriptions.set(name, subscription);
      channel.add(subscription);
    }
  }

  #refuse(connection: Connection, name: string, why: string): void {
    this.#host.bus.find(connection)?.offer(this.#host.encode(writeError(name, why)));
  }

  /** With the last channel the whole handler has come to its end. */
  #ended(error: unknown): void {
    if (this.#all.every((channel) => channel.hasEnded)) this.#host.end(error);
  }
}

/**
 * Many named channels over one socket, each with a handler of any shape, on the multiplex wire of SockJS: a client sends
 * `sub,name`, `msg,name,payload` and `uns,name` and gets `msg,name,payload`, `uns,name` where the channel has ended for it, and
 * `err,name,text` for what cannot be done. A channel's handler sees each subscription as a connection: `open` comes with `sub`,
 * `closed` with `uns` or the end of the socket. Its bus, rooms and verbs reach the subscribers of the channel only, and `close`
 * ends the channel for the peer, not the socket. Binary messages carry the same words as bytes. The server's own verbs speak to the
 * sockets as they are.
 *
 * @throws SendallError `BAD_HANDLER` if a name is empty or holds a comma, or a handler is none
 */
export function channels<R, D = ConnectionData, P = Params>(handlers: ChannelHandlers<R, D, P>): ShapedHandler<D, P> {
  const given: unknown = handlers;
  if (!isRecord(given) || Object.keys(given).length === 0)
    throw new SendallError("BAD_HANDLER", `channels: expected an object of handlers by name, got ${show(given)}`);
  const checked: Record<string, Handler> = {};
  for (const [name, handler] of Object.entries(given)) {
    if (!isChannelName(name))
      throw new SendallError(
        "BAD_HANDLER",
        `channels: ${show(name)} cannot be the name of a channel: it holds a comma, or nothing`,
      );
    if (!isHandler(handler))
      throw new SendallError("BAD_HANDLER", `channels.${name}: expected ${HANDLER_SHAPES}, got ${show(handler)}`);
    checked[name] = handler;
  }
  return new Channels<D, P>(checked);
}
