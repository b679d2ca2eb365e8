/**
 * `channels`: a handler that offers many named channels over one socket, each channel with a handler of any shape. The runner in this
 * file dispatches the messages of each socket to the socket's subscriptions. Channels last as long as the route; the subscriptions of
 * a socket end with the socket.
 */

import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member } from "../../actors/route/member.js";
import type { Runner, RunnerChannel } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import { NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { Handler, ShapedHandler } from "../../api/handler.js";
import type { Impossible, ResolvedLast } from "../../api/inference.js";
import { isChannelName, readMultiplexed, writeError } from "../../api/multiplex.js";
import { MAX_NAME_LENGTH } from "../../api/names.js";
import { isRecord } from "../../options/kinds.js";
import { HANDLER_SHAPES, isHandler } from "../../options/server-kinds.js";
import { show } from "../../runtime/show.js";
import { SlotMap } from "../../runtime/slot-map.js";
import { type ActorSystems, RunnerFactory } from "../runner-factory.js";
import { ServerChannel } from "./channel.js";
import { Subscription } from "./subscription.js";

/** Channels by name: names have 1 to 1,024 characters and hold no comma. */
export type ChannelHandlers<R, D = ConnectionData, P = Params> = {
  readonly [Name in keyof R]: Handler<D, R[Name], P>;
};

class ChannelsFactory<D, P> extends RunnerFactory<D, P> {
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(handlers: ReadonlyMap<string, Handler>) {
    super();
    this.#handlers = handlers;
  }

  createRunner(host: RunnerHost, systems: ActorSystems): Runner {
    return new ChannelsRunner(this.#handlers, host, systems);
  }
}

/** A socket and its subscriptions by name: `undefined` after the server has ended a subscription, which the peer may not know yet. */
interface SocketSubscriptions {
  readonly member: Member;
  readonly subscriptions: Map<string, Subscription | undefined>;
}

function subscriptionsOf(socket: SocketSubscriptions | undefined): Subscription[] {
  return [...(socket?.subscriptions.values() ?? [])].filter((subscription) => subscription !== undefined);
}

/** True for every connection that a runner gets. */
function isMember(connection: Connection): connection is Member {
  return "outbox" in connection;
}

class ChannelsRunner implements Runner {
  /** Dispatching is synchronous; only the events of the channels may take time. */
  readonly concurrency = "connection";
  readonly isDispatcher = true;
  readonly hearsPings: boolean;
  readonly #host: RunnerHost;
  readonly #channels = new Map<string, ServerChannel>();
  readonly #sockets = new SlotMap<string, SocketSubscriptions>();

  constructor(handlers: ReadonlyMap<string, Handler>, host: RunnerHost, systems: ActorSystems) {
    this.#host = host;
    for (const [name, handler] of handlers)
      this.#channels.set(
        name,
        new ServerChannel(name, handler, host, systems, (error) => this.#onChannelClosed(error)),
      );
    this.hearsPings = this.#all.some(({ runner }) => runner.hearsPings);
  }

  get #all(): ServerChannel[] {
    return [...this.#channels.values()];
  }

  /** Starts every channel or none: after a failure the channels that have started are stopped. */
  async init(): Promise<void> {
    const started: ServerChannel[] = [];
    try {
      for (const channel of this.#all) {
        await channel.init();
        started.push(channel);
      }
    } catch (error) {
      for (const { bus } of this.#all) bus.stop();
      await Promise.allSettled(started.map((channel) => channel.stop()));
      throw error;
    }
  }

  /** Stops the channels side by side; an exception in one channel does not keep the rest from stopping. */
  async stop(): Promise<void> {
    const results = await Promise.allSettled(this.#all.map((channel) => channel.stop()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  roomCount(): number {
    return this.#all.reduce((sum, { registry, runner }) => sum + registry.roomCount + (runner.roomCount?.() ?? 0), 0);
  }

  *channels(): Generator<RunnerChannel> {
    for (const channel of this.#all) {
      yield channel;
      yield* channel.runner.channels?.() ?? [];
    }
  }

  waitingOf(connection: Connection): number {
    return subscriptionsOf(this.#sockets.get(connection.id)).reduce((sum, { waiting }) => sum + waiting, 0);
  }

  readonly handle = (event: MailboxEvent): void => {
    if (event.type === "info" && event.connection === undefined) {
      for (const channel of this.#all) channel.bus.tell(event.data);
      return;
    }
    const { connection } = event;
    if (connection === undefined) return;
    if (event.type === "open" && isMember(connection))
      this.#sockets.set(connection.id, { member: connection, subscriptions: new Map() });
    const socket = this.#sockets.get(connection.id);
    if (socket === undefined) return;
    if (event.type === "message") this.#dispatch(event.data, socket);
    else for (const subscription of subscriptionsOf(socket)) subscription.onSocketEvent(event);
    if (event.type === "closed") this.#sockets.delete(connection.id);
  };

  caughtUp(connection: Connection, done: () => void): void {
    const subscriptions = subscriptionsOf(this.#sockets.get(connection.id));
    let waiting = subscriptions.length;
    if (waiting === 0) done();
    for (const subscription of subscriptions)
      subscription.catchUp(() => {
        if (--waiting === 0) done();
      });
  }

  onConnectionLeft(connection: Connection, isDiscarded: boolean): void {
    for (const subscription of subscriptionsOf(this.#sockets.get(connection.id))) subscription.unregister(isDiscarded);
  }

  #dispatch(data: string | Buffer, socket: SocketSubscriptions): void {
    const message = readMultiplexed(data);
    if (message === undefined) this.#sendError(socket, "", "expected sub,name or msg,name,payload or uns,name");
    else if (message.verb === "sub") this.#subscribe(message.name, socket);
    else if (!socket.subscriptions.has(message.name)) this.#sendError(socket, message.name, "not subscribed");
    else if (message.verb === "msg") socket.subscriptions.get(message.name)?.onMessage(message.payload);
    else {
      socket.subscriptions.get(message.name)?.onClosed({ ...NORMAL, wasClean: true, by: "peer", unacknowledged: 0 });
      socket.subscriptions.delete(message.name);
    }
  }

  #subscribe(name: string, socket: SocketSubscriptions): void {
    const { member, subscriptions } = socket;
    const channel = this.#channels.get(name);
    if (channel === undefined) this.#sendError(socket, name, "there is no such channel");
    else if (channel.isClosed) this.#sendError(socket, name, "this channel is closed");
    else if (subscriptions.get(name) !== undefined) this.#sendError(socket, name, "subscribed already");
    else {
      const subscription = new Subscription(channel, member, () => subscriptions.set(name, undefined));
      subscriptions.set(name, subscription);
      channel.register(subscription);
    }
  }

  #sendError({ member }: SocketSubscriptions, name: string, why: string): void {
    member.outbox.offer(this.#host.encode(writeError(name, why)));
  }

  /** The handler ends with its last channel. */
  #onChannelClosed(error: unknown): void {
    if (this.#all.every((channel) => channel.isClosed)) this.#host.end(error);
  }
}

/** @hidden */
export function channels<D>(never: Impossible<D>): ResolvedLast<D>;
/**
 * Many named channels over one socket, each with a handler of any shape, in SockJS's multiplex format. A client sends
 * `sub,name`, `msg,name,payload` and `uns,name`. The server sends `msg,name,payload`; `uns,name` when the channel has ended for the
 * client; and `err,name,text` for a request that the server cannot carry out. A channel's handler sees each subscription as a
 * connection: `open` comes with `sub`, `closed` with `uns` or the end of the socket. A subscription survives a lost socket whose session
 * lives on (option `resume`): the handler gets `away` and `back`, and no further `sub` is needed. The bus, rooms and verbs of a channel reach only
 * the subscribers of the channel, and `close` ends the channel for the peer, not the socket. Binary messages carry the same words as
 * bytes. The server's own verbs (`server.sendall` and so on) send to the sockets directly, outside any channel.
 *
 * @throws SendallError `BAD_HANDLER` if a name is empty, holds a comma or is longer than 1,024 characters, or if a handler has no
 * shape that Sendall knows
 *
 * @example
 * ```ts
 * import { channels, serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler: channels({
 *     news: (event) => event.type === "open" && event.connection.send("nothing new"),
 *     chat: (event, bus) => event.type === "message" && bus.broadcast(event.data, event.connection),
 *   }),
 * });
 * console.log(server.url);
 * ```
 */
export function channels<R, D = ConnectionData, P = Params>(handlers: ChannelHandlers<R, D, P>): ShapedHandler<D, P>;
export function channels(handlers: unknown): unknown {
  const given: unknown = handlers;
  if (!isRecord(given) || Object.keys(given).length === 0)
    throw new SendallError("BAD_HANDLER", `channels: expected an object of handlers by name, got ${show(given)}`);
  const checked = new Map<string, Handler>();
  for (const [name, handler] of Object.entries(given)) {
    if (!isChannelName(name))
      throw new SendallError(
        "BAD_HANDLER",
        `channels: ${show(name)} cannot be the name of a channel: expected 1 to ${MAX_NAME_LENGTH} characters without a comma`,
      );
    if (!isHandler(handler))
      throw new SendallError("BAD_HANDLER", `channels.${name}: expected ${HANDLER_SHAPES}, got ${show(handler)}`);
    checked.set(name, handler);
  }
  return new ChannelsFactory<ConnectionData, Params>(checked);
}
