/**
 * One channel of a `channels` handler: its handler, bus, rooms and subscriptions. It shares mailbox and turn with its route, whose
 * handler actor runs its events; one at a time, unless its handler has an actor for each connection.
 */
import { RouteBus } from "../../actors/route/bus.js";
import { type ConnectionQueue, SerialGroup } from "../../actors/route/mailbox.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member } from "../../actors/route/member.js";
import { Registry } from "../../actors/route/registry.js";
import { Restart } from "../../actors/route/restart.js";
import type { Runner, Target } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import { HANDLER_FAILED, NORMAL } from "../../api/close-codes.js";
import type { Data } from "../../api/connection.js";
import type { Handler } from "../../api/handler.js";
import { writeMessage, writeUnsubscribe } from "../../api/multiplex.js";
import type { Stats } from "../../api/stats.js";
import { type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { Systems } from "../maker.js";
import { runHandler } from "../shape.js";
import type { Subscription } from "./subscription.js";

export class ServerChannel implements Target {
  readonly name: string;
  /** What is around the channel: the route, or the channel that this one is within. */
  readonly host: RunnerHost;
  readonly registry: Registry<Member>;
  readonly bus: RouteBus;
  readonly runner: Runner;
  readonly leakOwner: LeakOwner;
  readonly #onEnded: (error: unknown) => void;
  /** Shared by the lanes of all its subscriptions, unless each has an actor of its own. */
  readonly #strand = new SerialGroup();
  readonly #restart: Restart;
  #hasEnded = false;

  constructor(name: string, handler: Handler, host: RunnerHost, systems: Systems, onEnded: (error: unknown) => void) {
    this.name = name;
    this.host = host;
    this.#onEnded = onEnded;
    this.leakOwner = {
      clock: host.clock,
      connection: undefined,
      leaked: (error, kind) => host.leaked(error, kind, undefined, this),
    };
    const encode = (data: Data): Frame => host.encode(writeMessage(name, data));
    const { clock, mailbox, counters, log, wake, bus } = host;
    const outlet = host.outlet?.within(name);
    this.registry = new Registry<Member>(outlet?.populated);
    const { registry } = this;
    const common = mailbox.lane(undefined, this.#strand, this);
    const stats = (): Stats => bus.stats();
    const tellsEach = (): boolean => this.runner.tellsEach === true;
    const parts = { clock, registry, mailbox, common, counters, log, encode, wake, tellsEach, stats, outlet };
    this.bus = new RouteBus(parts);
    this.#restart = new Restart({
      clock,
      timeoutMs: host.settings.handlerTimeoutMs,
      init: () => this.init(),
      onEnded: () => {
        mailbox.release(this.#strand);
        wake();
      },
      onFailed: (error, tookMs) => host.failed(error, "init", undefined, this, tookMs),
    });
    this.runner = runHandler(
      handler,
      {
        ...host,
        name: `${host.name}/${name}`,
        bus: this.bus,
        outlet,
        encode,
        run: (code) => runFor(this.leakOwner, code),
        failed: (error, what, connection, target = this, tookMs) =>
          host.failed(error, what, connection, target, tookMs),
        end: (error) => this.#end(error),
      },
      systems,
    );
  }

  get concurrency(): Runner["concurrency"] {
    return this.runner.concurrency;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  lane(subscription: Subscription): ConnectionQueue {
    const strand = this.concurrency === "connection" ? new SerialGroup() : this.#strand;
    return this.host.mailbox.lane(subscription, strand, this);
  }

  post({ lane }: Subscription, event: MailboxEvent, bytes = 0): boolean {
    const posted = this.host.mailbox.post(lane, event, bytes);
    if (posted) this.host.wake();
    return posted;
  }

  forward({ lane }: Subscription, event: MailboxEvent): boolean {
    const posted = this.host.mailbox.forward(lane, event);
    if (posted) this.host.wake();
    return posted;
  }

  add(subscription: Subscription): void {
    this.registry.add(subscription);
    this.post(subscription, { type: "open", connection: subscription });
  }

  /** Tells the peer that the channel has ended for it. */
  sayEnd(socket: Member): void {
    socket.offer(this.host.encode(writeUnsubscribe(this.name)));
  }

  /** It is no target any more. */
  forget(subscription: Subscription, socket: Member, isDiscarded: boolean): void {
    const { mailbox, onConnectionLeft } = this.host;
    this.registry.remove(subscription, subscription.rooms);
    if (isDiscarded) mailbox.discard(subscription.lane);
    // Its socket is paused by it no longer.
    if (!socket.isOpen) mailbox.unpause(subscription.lane);
    this.runner.onConnectionLeft?.(subscription, isDiscarded);
    onConnectionLeft(subscription.lane);
  }

  /** What it throws rejects. */
  async init(): Promise<void> {
    await runFor(this.leakOwner, () => this.runner.init());
  }

  restart(): void {
    if (this.#hasEnded || this.#restart.isUnderWay) return;
    // Nothing of it is under way: what has failed is over, and logic is done with an event at once.
    this.#strand.isBusy = true;
    this.#restart.begin();
  }

  fail(error: unknown): void {
    this.#end(error ?? new Error("the handler failed"));
  }

  async stop(): Promise<void> {
    this.#restart.end();
    this.bus.end();
    await runFor(this.leakOwner, () => this.runner.stop());
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { code, reason } = error === undefined ? NORMAL : HANDLER_FAILED;
    for (const subscription of [...this.registry.all()]) subscription.close(code, reason);
    const { log } = this.host;
    if (error === undefined) log.info({ channel: this.name }, "a channel is closed: its handler has come to its end");
    else log.error({ err: error, channel: this.name }, "a channel is closed: its handler failed too often");
    this.#onEnded(error);
  }
}
