/** `channels`: many named channels over one socket, each with a handler of any shape. What a socket sends is dealt out here. */

import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member } from "../../actors/route/member.js";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import { NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { Handler, ShapedHandler } from "../../api/handler.js";
import { isChannelName, readMultiplexed, writeError } from "../../api/multiplex.js";
import { MAX_NAME_LENGTH } from "../../api/names.js";
import { isRecord } from "../../options/kinds.js";
import { HANDLER_SHAPES, isHandler } from "../../options/server-kinds.js";
import { show } from "../../runtime/show.js";
import { type LookAtItLast, type Never, RunnerMaker, type Systems } from "../maker.js";
import { ServerChannel } from "./channel.js";
import { Subscription } from "./subscription.js";

/** Channels by name: names have 1 to 1,024 characters and hold no comma. */
export type ChannelHandlers<R, D = ConnectionData, P = Params> = {
  readonly [Name in keyof R]: Handler<D, R[Name], P>;
};

class Channels<D, P> extends RunnerMaker<D, P> {
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(handlers: ReadonlyMap<string, Handler>) {
    super();
    this.#handlers = handlers;
  }

  makeRunner(host: RunnerHost, systems: Systems): Runner {
    return new ChannelsRunner(this.#handlers, host, systems);
  }
}

/** One socket, and its subscriptions by name: `undefined` where our side has ended one, of which the peer may not know yet. */
interface Socket {
  readonly member: Member;
  readonly subscriptions: Map<string, Subscription | undefined>;
}

function live(socket: Socket | undefined): Subscription[] {
  return [...(socket?.subscriptions.values() ?? [])].filter((one) => one !== undefined);
}

/** All connections that come to a runner are. */
function isMember(connection: Connection): connection is Member {
  return "offer" in connection;
}

class ChannelsRunner implements Runner {
  /** Dealing out takes no time: it is the channels whose events may. */
  readonly concurrency = "connection";
  readonly hearsPings: boolean;
  readonly #host: RunnerHost;
  readonly #channels = new Map<string, ServerChannel>();
  readonly #sockets = new Map<Connection, Socket>();

  constructor(handlers: ReadonlyMap<string, Handler>, host: RunnerHost, systems: Systems) {
    this.#host = host;
    for (const [name, handler] of handlers)
      this.#channels.set(name, new ServerChannel(name, handler, host, systems, (error) => this.#ended(error)));
    this.hearsPings = this.#all.some(({ runner }) => runner.hearsPings);
  }

  get #all(): ServerChannel[] {
    return [...this.#channels.values()];
  }

  /** All or none: what one throws ends all that the others have begun. */
  async init(): Promise<void> {
    const begun: ServerChannel[] = [];
    try {
      for (const channel of this.#all) {
        await channel.init();
        begun.push(channel);
      }
    } catch (error) {
      for (const { bus } of this.#all) bus.end();
      await Promise.allSettled(begun.map((channel) => channel.stop()));
      throw error;
    }
  }

  /** None waits for another, and what one throws keeps none from it. */
  async stop(): Promise<void> {
    const stopped = await Promise.allSettled(this.#all.map((channel) => channel.stop()));
    for (const one of stopped) if (one.status === "rejected") throw one.reason;
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
    if (event.type === "open" && isMember(connection))
      this.#sockets.set(connection, { member: connection, subscriptions: new Map() });
    const socket = this.#sockets.get(connection);
    if (socket === undefined) return;
    if (event.type === "message") this.#deal(event.data, socket);
    else for (const subscription of live(socket)) subscription.take(event);
    if (event.type === "closed") this.#sockets.delete(connection);
  };

  caughtUp(connection: Connection, done: () => void): void {
    const waiting = live(this.#sockets.get(connection));
    let behind = waiting.length;
    if (behind === 0) done();
    for (const subscription of waiting)
      subscription.catchUp(() => {
        if (--behind === 0) done();
      });
  }

  onConnectionLeft(connection: Connection, isDiscarded: boolean): void {
    for (const subscription of live(this.#sockets.get(connection))) subscription.left(isDiscarded);
  }

  #deal(data: string | Buffer, socket: Socket): void {
    const message = readMultiplexed(data);
    if (message === undefined) this.#refuse(socket, "", "expected sub,name or msg,name,payload or uns,name");
    else if (message.verb === "sub") this.#subscribe(message.name, socket);
    else if (!socket.subscriptions.has(message.name)) this.#refuse(socket, message.name, "not subscribed");
    else if (message.verb === "msg") socket.subscriptions.get(message.name)?.message(message.payload);
    else {
      socket.subscriptions.get(message.name)?.ended({ ...NORMAL, wasClean: true, by: "peer" });
      socket.subscriptions.delete(message.name);
    }
  }

  #subscribe(name: string, socket: Socket): void {
    const { member, subscriptions } = socket;
    const channel = this.#channels.get(name);
    if (channel === undefined) this.#refuse(socket, name, "there is no such channel");
    else if (channel.hasEnded) this.#refuse(socket, name, "this channel is closed");
    else if (subscriptions.get(name) !== undefined) this.#refuse(socket, name, "subscribed already");
    else {
      const subscription = new Subscription(channel, member, () => subscriptions.set(name, undefined));
      subscriptions.set(name, subscription);
      channel.add(subscription);
    }
  }

  #refuse({ member }: Socket, name: string, why: string): void {
    member.offer(this.#host.encode(writeError(name, why)));
  }

  /** With the last channel the whole handler has come to its end. */
  #ended(error: unknown): void {
    if (this.#all.every((channel) => channel.hasEnded)) this.#host.end(error);
  }
}

/** @hidden */
export function channels<D>(never: Never<D>): LookAtItLast<D>;
/**
 * Many named channels over one socket, each with a handler of any shape, on the multiplex wire of SockJS: a client sends
 * `sub,name`, `msg,name,payload` and `uns,name` and gets `msg,name,payload`, `uns,name` where the channel has ended for it, and
 * `err,name,text` for what cannot be done. A channel's handler sees each subscription as a connection: `open` comes with `sub`,
 * `closed` with `uns` or the end of the socket. Its bus, rooms and verbs reach the subscribers of the channel only, and `close`
 * ends the channel for the peer, not the socket. Binary messages carry the same words as bytes. The server's own verbs speak to the
 * sockets as they are.
 *
 * @throws SendallError `BAD_HANDLER` if a name is empty, holds a comma or is longer than 1,024 characters, or a handler is none
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
  return new Channels<ConnectionData, Params>(checked);
}
