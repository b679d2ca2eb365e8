/** The contract of a cluster adapter, for its authors. */
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** What an adapter is told of the node that it serves, and tells it. */
export interface ClusterNode {
  /** Names the node: 12 hexadecimal digits, chosen anew for each server. */
  readonly id: string;
  /** The server's clock, for whatever the adapter times itself. */
  readonly clock: Clock;
  /** The server's log. */
  readonly log: Logger;
  /** A packet has arrived. The bytes are read before this returns. Never throws. */
  received(subject: string, packet: Uint8Array): void;
  /** The engine is reached and takes packets. */
  up(): void;
  /** The engine cannot be reached, or not any more. */
  down(error: unknown): void;
}

/**
 * Carries packets between the nodes of a cluster: what the option `cluster` of `serve` takes. `nats()`, `redis()` and `workers()`
 * make one; whoever writes another runs `testClusterAdapter` of `sendall/testing/cluster-adapter` on it.
 *
 * A packet is bytes, a subject a string of the characters `A`-`Z` `a`-`z` `0`-`9` `%` `@` `#` `_` `-` and `.`, at most 1,024 of them and
 * without empty parts between dots. The adapter looks into neither.
 */
export interface ClusterAdapter {
  /** Names the engine in errors and logs: `"nats"`. */
  readonly name: string;
  /** Whether `serve` resolves without the engine, and the link comes up once it is there. Default `false`. */
  readonly waitForLink?: boolean;
  /**
   * Makes a node's link; called once for each server, and one adapter MAY be asked by several servers.
   *
   * It MUST begin to connect, and MUST NOT call the node before it has returned (or its promise has resolved). It MUST throw or reject
   * if no link can ever come, with an error that says what to do.
   *
   * Once the engine takes packets and subscriptions the adapter MUST call `node.up()`; when that is no longer so, or a first attempt
   * has failed, `node.down(error)`; and it MUST go on trying, with growing or random pauses, until `close`. An engine that falls
   * silent without closing its connection MUST be noticed, too.
   */
  open(node: ClusterNode): ClusterLink | Promise<ClusterLink>;
}

/** One node's link to its engine. */
export interface ClusterLink {
  /** A packet of more bytes is never handed over. */
  readonly maxPacketBytes: number;
  /**
   * Hands a packet to the engine, for all nodes that subscribe to the subject. Called while the link is up only.
   *
   * The bytes are the adapter's from then on. It MUST NOT throw or wait. It MUST return `false`, and forget the packet, if it cannot be
   * written now: because the link has gone, or more bytes wait for the engine than the adapter is ready to hold. What one node publishes MUST
   * reach each subscriber in that order, over all subjects, at most once. Nothing that is published while the link is down may be
   * kept and sent later. The node's own packets MAY come back to it.
   */
  publish(subject: string, packet: Uint8Array): boolean;
  /** Ends a run of `publish`: what was handed over MUST now be on its way, with no other call to wait for. */
  flush(): void;
  /**
   * Asks for all packets on these subjects, to be handed to `node.received` in the order of their arrival.
   *
   * It MUST resolve when the engine has confirmed: what any node publishes from then on arrives. It MUST reject if the engine refuses,
   * or the link goes down before. Called again for the same subjects after each `node.up()`; what the engine's client has renewed by
   * itself MUST NOT be delivered twice.
   */
  subscribe(subjects: readonly string[]): Promise<void>;
  /** Ends subscriptions, also those that the engine's client has renewed by itself. It MUST NOT throw, also if there is none. */
  unsubscribe(subjects: readonly string[]): void;
  /**
   * Ends the link: what was published before is still sent if the link is up. It MUST resolve, leave no timer and no socket behind,
   * and call the node no more.
   */
  close(): Promise<void>;
}
