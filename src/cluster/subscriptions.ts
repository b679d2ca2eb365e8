/**
 * The subjects that a node wants to hear, and the subjects that the engine was asked for. The relay reports changes at any time and
 * calls `applyChanges` once a turn, so that a room which fills and empties within a turn costs the engine nothing. The table belongs to
 * the relay and lasts as long.
 */
import type { ClusterLink } from "../api/cluster-adapter.js";
import type { LocalBus } from "./remote-bus.js";

/** Where the messages of a subject are delivered. */
export interface Destination {
  readonly bus: LocalBus;
  /** The scope of the bus. */
  readonly scope: string;
  /** Absent: every member of the bus. */
  readonly room: string | undefined;
}

export interface SubscriptionsListener {
  /** The engine has confirmed: from now on the messages of the subject arrive. */
  onConfirmed(destination: Destination): void;
  /** From now on nothing arrives on the subject. */
  onUnsubscribed(subject: string): void;
  /** The engine refuses subscriptions although the link is up, or its client gives up before the link goes down. */
  onRefused(error: unknown, subjects: readonly string[]): void;
}

/** No request has the number. */
const VOID = 0;

export class Subscriptions {
  /** Subscribed as long as the link is up, whatever the buses want. */
  readonly #nodeSubject: string;
  readonly #wanted = new Map<string, Destination>();
  /**
   * What the engine, or its client, may believe that this node wants, with the number of the request; kept while the link is down. An answer to an
   * earlier request, or to a request of before the link went down, means nothing.
   */
  readonly #asked = new Map<string, number>();
  #requests = 0;
  readonly #confirmed = new Set<string>();
  /** Wanted but not asked for, or asked for but no longer wanted. */
  readonly #changed = new Set<string>();
  readonly #onConfirmed: (destination: Destination) => void;
  readonly #onUnsubscribed: (subject: string) => void;
  readonly #onRefused: (error: unknown, subjects: readonly string[]) => void;

  constructor(nodeSubject: string, { onConfirmed, onUnsubscribed, onRefused }: SubscriptionsListener) {
    this.#nodeSubject = nodeSubject;
    this.#onConfirmed = onConfirmed;
    this.#onUnsubscribed = onUnsubscribed;
    this.#onRefused = onRefused;
  }

  /** How many subjects the engine has confirmed. */
  get confirmed(): number {
    return this.#confirmed.size;
  }

  isConfirmed(subject: string): boolean {
    return this.#confirmed.has(subject);
  }

  /** Whether the messages of the subject are wanted, and will arrive once the engine has confirmed. */
  isAwaited(subject: string): boolean {
    const isAsked = this.#asked.has(subject) || this.#changed.has(subject);
    return isAsked && this.#wanted.has(subject) && !this.#confirmed.has(subject);
  }

  /** @returns `undefined` for a subject without members on this node */
  find(subject: string): Destination | undefined {
    return this.#wanted.get(subject);
  }

  /** @param destination absent: the subject is no longer wanted */
  want(subject: string, destination: Destination | undefined): void {
    if (destination === undefined) this.#wanted.delete(subject);
    else this.#wanted.set(subject, destination);
    // A subject wanted and given up again is no change: an unlimited number of rooms may come and go while the link is down.
    if (this.#wanted.has(subject) === this.#asked.has(subject)) this.#changed.delete(subject);
    else this.#changed.add(subject);
  }

  /** Asks the engine for every wanted subject: MUST be called each time the link comes up. Ends unwanted subscriptions first. */
  async resubscribe(link: ClusterLink): Promise<void> {
    this.#confirmed.clear();
    this.#unsubscribe(link);
    this.#changed.clear();
    await this.#subscribe(link, [this.#nodeSubject, ...this.#wanted.keys()]);
  }

  /** Tells the engine what has changed since the last call. */
  applyChanges(link: ClusterLink): void {
    if (this.#changed.size === 0) return;
    this.#unsubscribe(link);
    const fresh = [...this.#changed].filter((subject) => this.#wanted.has(subject));
    this.#changed.clear();
    if (fresh.length === 0) return;
    const request = this.#requests + 1;
    this.#subscribe(link, fresh).catch((error: unknown) => {
      const refused = fresh.filter((subject) => this.#asked.get(subject) === request);
      for (const subject of refused) this.#unregister(subject);
      if (refused.length > 0) this.#onRefused(error, refused);
    });
  }

  onLinkDown(): void {
    this.#confirmed.clear();
    for (const subject of this.#asked.keys()) this.#asked.set(subject, VOID);
  }

  #unsubscribe(link: ClusterLink): void {
    const unwanted = [...this.#changed].filter((subject) => !this.#wanted.has(subject));
    if (unwanted.length === 0) return;
    link.unsubscribe(unwanted);
    for (const subject of unwanted) {
      this.#unregister(subject);
      this.#onUnsubscribed(subject);
    }
  }

  async #subscribe(link: ClusterLink, subjects: readonly string[]): Promise<void> {
    const request = ++this.#requests;
    for (const subject of subjects) this.#asked.set(subject, request);
    await link.subscribe(subjects);
    for (const subject of subjects) {
      if (this.#asked.get(subject) !== request) continue;
      this.#confirmed.add(subject);
      const destination = this.#wanted.get(subject);
      if (destination !== undefined) this.#onConfirmed(destination);
    }
  }

  #unregister(subject: string): void {
    this.#asked.delete(subject);
    this.#confirmed.delete(subject);
  }
}
