/**
 * The contract of a cluster adapter, for authors of adapters. The room `cluster` calls an adapter when a server starts, and ends the link
 * when the server closes.
 */
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** The node that an adapter serves: its facts, and the calls by which the adapter reports to the node. */
export interface ClusterNode {
  /** Names the node: 12 hexadecimal digits, chosen anew for each server. */
  readonly id: string;
  /** The server's clock, for the adapter's own timers. */
  readonly clock: Clock;
  /** The server's log. */
  readonly log: Logger;
  /** A packet has arrived. The node reads the bytes before the call returns. Never throws. */
  received(subject: string, packet: Uint8Array): void;
  /** The engine is reached and takes packets. */
  up(): void;
  /** The engine cannot be reached, or can no longer be reached. */
  down(error: unknown): void;
}

/**
 * Carries packets between the nodes of a cluster: what the option `cluster` of `serve` takes. `nats()`, `redis()` and `workers()`
 * make an adapter; an author of another adapter tests it with `testClusterAdapter` of `sendall/testing/cluster-adapter`.
 *
 * A packet is bytes. A subject is a string of at most 1,024 of the characters `A`-`Z` `a`-`z` `0`-`9` `%` `@` `#` `_` `-` and `.`,
 * without empty parts between dots. The adapter interprets neither packets nor subjects.
 */
export interface ClusterAdapter {
  /** Names the engine in errors and logs: `"nats"`. */
  readonly name: string;
  /** Whether `serve` resolves without the engine, and the link comes up once the engine is there. Default `false`. */
  readonly waitForLink?: boolean;
  /**
   * Promises one order: the packets that any nodes publish on a subject with `{ echo: true }` reach every subscriber in the same order, and
   * the node that has published a packet, too. Kept messages of the history in memory need the promise, and only an adapter with `isOrdered`
   * gets the option `echo`. Default absent: the adapter keeps the order of each publisher, and no other.
   */
  readonly isOrdered?: true;
  /**
   * Makes a node's link; called once for each server. Several servers MAY open the same adapter.
   *
   * `open` MUST begin to connect, and MUST NOT call the node before `open` has returned (or its promise has resolved). If no link can
   * ever come, `open` MUST throw or reject, with an error that says what to do.
   *
   * Once the engine takes packets and subscriptions, the adapter MUST call `node.up()`. When the engine no longer does, or a first
   * attempt has failed, the adapter MUST call `node.down(error)`, and MUST go on trying, with growing or random pauses, until `close`.
   * An engine that falls silent without closing its connection MUST be noticed, too.
   */
  open(node: ClusterNode): ClusterLink | Promise<ClusterLink>;
}

/** One node's link to its engine. */
export interface ClusterLink {
  /** The size limit of a packet, in bytes: a larger packet is never handed over. */
  readonly maxPacketBytes: number;
  /**
   * Hands a packet to the engine, for every node that subscribes to the subject. Called only while the link is up.
   *
   * The bytes are the adapter's from then on. `publish` MUST NOT throw or wait. It MUST return `false`, and drop the packet, if the
   * packet cannot be written now: because the link has gone, or more bytes wait for the engine than the adapter is ready to hold. The
   * packets of a node MUST reach each subscriber in the order of publishing, across subjects, at most once. A packet that is published
   * while the link is down MUST NOT be kept and sent later. The node's own packets MAY come back to the node.
   *
   * With `echo`, which only an adapter with `isOrdered` gets, the packet MUST come back to the node if the node subscribes to the subject,
   * and all packets published with `echo` on the subject, by whichever node, MUST reach all subscribers in one order.
   */
  publish(subject: string, packet: Uint8Array, options?: { readonly echo?: true }): boolean;
  /** Ends a run of `publish` calls: the packets handed over MUST now be on their way, without waiting for another call. */
  flush(): void;
  /**
   * Asks for every packet on the given subjects, to be handed to `node.received` in order of arrival.
   *
   * The promise MUST resolve when the engine has confirmed: packets that any node publishes from then on arrive. The promise MUST reject
   * if the engine refuses, or the link goes down before. Called again for the same subjects after each `node.up()`; for subscriptions
   * that the engine's client has renewed by itself, packets MUST NOT be delivered twice.
   */
  subscribe(subjects: readonly string[]): Promise<void>;
  /**
   * Ends subscriptions, also those that the engine's client has renewed by itself. MUST NOT throw, also if there is no such
   * subscription.
   */
  unsubscribe(subjects: readonly string[]): void;
  /**
   * Ends the link: packets published before are still sent if the link is up. The promise MUST resolve, and the adapter MUST leave no
   * timer and no socket behind and call the node no more.
   */
  close(): Promise<void>;
}
