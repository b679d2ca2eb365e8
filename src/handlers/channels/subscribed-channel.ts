/**
 * The contract between a subscription and its channel. `ServerChannel` implements {@link SubscribedChannel}, `Subscription` implements
 * {@link Subscriber}, and both files import this contract rather than each other.
 */
import type { RouteBus } from "../../actors/route/bus.js";
import type { ConnectionQueue, QueueOwner } from "../../actors/route/connection-queue.js";
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member } from "../../actors/route/member.js";
import type { Registry } from "../../actors/route/registry.js";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";

/** The part of a subscription that the channel uses. */
export interface Subscriber extends Member, QueueOwner {
  readonly rooms: ReadonlySet<string>;
}

/** The part of a channel that a subscription uses. */
export interface SubscribedChannel {
  /** The host of the channel's runner: the route, or the outer channel of a nested `channels` handler. */
  readonly host: RunnerHost;
  readonly registry: Registry<Member>;
  readonly bus: RouteBus;
  readonly runner: Runner;
  /** Makes the queue of a new subscription. */
  createQueue(owner: QueueOwner): ConnectionQueue;
  /** @returns `false` if the event is an `info` event and the mailbox has no room */
  post(subscriber: Subscriber, event: MailboxEvent, bytes?: number): boolean;
  /** Posts an `info` event meant for every connection. @returns `false` if the queue has no room */
  forward(subscriber: Subscriber, event: MailboxEvent): boolean;
  /** Sends `uns`: the channel has ended for the socket. */
  sendEnd(socket: Member): void;
  /** Takes the subscription off the channel's bus. @param isDiscarded whether to discard the waiting events */
  unregister(subscriber: Subscriber, socket: Member, isDiscarded: boolean): void;
}
