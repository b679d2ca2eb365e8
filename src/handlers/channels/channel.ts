/**
 * A channel of a `channels` handler: a handler with a separate bus, rooms and subscriptions. The channel shares the mailbox and the turn
 * of the route, whose handler actor runs the channel's events: one at a time, unless the channel's handler has an actor for each
 * connection. A channel ends with the route, or when the channel's handler ends or fails too often.
 */
import { openHistory } from "../../actors/history/open-history.js";
import { openPresence } from "../../actors/presence/open-presence.js";
import { RouteBus } from "../../actors/route/bus.js";
import { type ConnectionQueue, type QueueOwner, SerialGroup } from "../../actors/route/connection-queue.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member } from "../../actors/route/member.js";
import { Registry } from "../../actors/route/registry.js";
import { Restart } from "../../actors/route/restart.js";
import type { RouteTracing } from "../../actors/route/route-tracing.js";
import type { Runner, Target } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import { HANDLER_FAILED, NORMAL } from "../../api/close-codes.js";
import type { Data } from "../../api/connection.js";
import type { Handler } from "../../api/handler.js";
import { writeMessage, writeUnsubscribe } from "../../api/multiplex.js";
import type { Stats } from "../../api/stats.js";
import { type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { ActorSystems } from "../runner-factory.js";
import { runHandler } from "../shape.js";
import type { SubscribedChannel, Subscriber } from "./subscribed-channel.js";

export class ServerChannel implements Target, SubscribedChannel {
  readonly name: string;
  readonly channel: string;
  readonly host: RunnerHost;
  readonly registry: Registry<Member>;
  readonly bus: RouteBus;
  readonly runner: Runner;
  readonly leakOwner: LeakOwner;
  readonly tracing: RouteTracing;
  readonly #onClosed: (error: unknown) => void;
  /** Shared by the queues of the subscriptions, unless each subscription has a separate actor. */
  readonly #group = new SerialGroup();
  readonly #restart: Restart;
  #isClosed = false;

  constructor(
    name: string,
    handler: Handler,
    host: RunnerHost,
    systems: ActorSystems,
    onClosed: (error: unknown) => void,
  ) {
    this.name = name;
    this.channel = host.channel === undefined ? name : `${host.channel},${name}`;
    this.host = host;
    this.tracing = host.tracing.forChannel(this.channel);
    this.#onClosed = onClosed;
    this.leakOwner = {
      clock: host.clock,
      connection: undefined,
      leaked: (error, kind) => host.leaked(error, kind, undefined, this),
    };
    const encode = (data: Data): Frame => host.encode(writeMessage(name, data));
    const { clock, mailbox, counters, log, level, bus } = host;
    const remoteBus = host.remoteBus?.forChannel(name);
    this.registry = new Registry<Member>(remoteBus?.onOccupancyChanged);
    const { registry } = this;
    const common = mailbox.createQueue(undefined, this.#group, this);
    const stats = (): Stats => bus.stats();
    const tellsEach = (): boolean => this.runner.tellsEach === true;
    const parts = { clock, registry, mailbox, common, counters, log, level, encode, tellsEach, stats, remoteBus };
    this.bus = new RouteBus(parts);
    this.#restart = new Restart({
      clock,
      timeoutMs: host.settings.handlerTimeoutMs,
      init: () => this.init(),
      onEnded: () => {
        mailbox.release(this.#group);
        mailbox.consumer?.wake();
      },
      onFailed: (error, tookMs) => host.failed(error, "init", undefined, this, tookMs),
    });
    const ownHost: RunnerHost = {
      ...host,
      name: `${host.name}/${name}`,
      channel: this.channel,
      bus: this.bus,
      tracing: this.tracing,
      roomStore: host.roomStore?.forChannel(name),
      remoteBus,
      encode,
      run: (code) => runFor(this.leakOwner, code),
      failed: (error, what, connection, target = this, tookMs) => host.failed(error, what, connection, target, tookMs),
      invalid: (connection, target = this) => host.invalid(connection, target),
      end: (error) => this.#close(error),
    };
    openPresence(ownHost, registry, common);
    openHistory(ownHost, registry);
    this.runner = runHandler(handler, ownHost, systems);
  }

  get concurrency(): Runner["concurrency"] {
    return this.runner.concurrency;
  }

  get heldSince(): number | undefined {
    return this.#restart.since;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  createQueue(owner: QueueOwner): ConnectionQueue {
    const group = this.concurrency === "connection" ? new SerialGroup() : this.#group;
    return this.host.mailbox.createQueue(owner, group, this);
  }

  post({ queue }: Subscriber, event: MailboxEvent, bytes = 0): boolean {
    return this.host.mailbox.post(queue, event, bytes);
  }

  forward({ queue }: Subscriber, event: MailboxEvent): boolean {
    return this.host.mailbox.forward(queue, event);
  }

  register(subscriber: Subscriber): void {
    this.registry.add(subscriber);
    this.post(subscriber, Object.freeze({ type: "open", connection: subscriber }));
  }

  sendEnd(socket: Member): void {
    socket.outbox.offer(this.host.encode(writeUnsubscribe(this.name)));
  }

  unregister(subscriber: Subscriber, socket: Member, isDiscarded: boolean): void {
    const { queue, rooms } = subscriber;
    const { counters, mailbox, onConnectionLeft } = this.host;
    this.registry.remove(subscriber, rooms);
    if (isDiscarded) counters.discarded += mailbox.discard(queue);
    // A closed socket has nothing left to pause.
    if (!socket.isOpen) mailbox.unpause(queue);
    this.runner.onConnectionLeft?.(subscriber, isDiscarded);
    onConnectionLeft(queue);
  }

  /** Rejects with whatever the handler's `init` throws. */
  async init(): Promise<void> {
    await runFor(this.leakOwner, () => this.runner.init());
  }

  restart(): void {
    if (this.#isClosed || this.#restart.isUnderWay) return;
    // No event of the channel is under way: the failed event is over, and XState logic handles each event synchronously.
    this.#group.isBusy = true;
    this.#restart.begin();
  }

  fail(error: unknown): void {
    this.#close(error ?? new Error("the handler failed"));
  }

  stopPresence(): void {
    this.bus.presence?.stop();
  }

  async stop(): Promise<void> {
    this.#restart.stop();
    this.bus.stop();
    await runFor(this.leakOwner, () => this.runner.stop());
  }

  #close(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { code, reason } = error === undefined ? NORMAL : HANDLER_FAILED;
    for (const subscription of [...this.registry.all()]) subscription.close(code, reason);
    const { log } = this.host;
    if (error === undefined) log.info({ channel: this.name }, "a channel is closed: its handler has ended");
    else log.error({ err: error, channel: this.name }, "a channel is closed: its handler failed too often");
    this.#onClosed(error);
  }
}
