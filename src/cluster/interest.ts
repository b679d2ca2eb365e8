/**
 * Which subjects this node wants to hear, and which of them the engine has been asked for. The relay tells it what has changed and
 * brings the engine up to date once a turn, so that a room that comes and goes within one costs nothing.
 */
import type { ClusterLink } from "../api/cluster-adapter.js";
import type { LocalBus } from "./remote-bus.js";

/** For whom what arrives on a subject is. */
export interface Destination {
  readonly inlet: LocalBus;
  /** Absent: all members of the inlet. */
  readonly room: string | undefined;
}

export interface InterestListener {
  /** A subject is not heard any more. */
  onOver(subject: string): void;
  /** The engine refuses subscriptions although the link is up, or has gone down before it confirmed. */
  onRefused(error: unknown, subjects: readonly string[]): void;
}

export class Interest {
  /** Wanted from the beginning to the end. */
  readonly #own: string;
  readonly #wanted = new Map<string, Destination>();
  /** What the engine, or its client, may believe that we want; also while the link is down. */
  readonly #asked = new Set<string>();
  readonly #confirmed = new Set<string>();
  /** Wanted and not asked for, or the other way round. */
  readonly #changed = new Set<string>();
  readonly #onOver: (subject: string) => void;
  readonly #onRefused: (error: unknown, subjects: readonly string[]) => void;

  /** @param own the subject of the node itself */
  constructor(own: string, { onOver, onRefused }: InterestListener) {
    this.#own = own;
    this.#onOver = onOver;
    this.#onRefused = onRefused;
  }

  /** How many subjects the engine has confirmed. */
  get confirmed(): number {
    return this.#confirmed.size;
  }

  /** `undefined` for a subject that nobody wants any more. */
  find(subject: string): Destination | undefined {
    return this.#wanted.get(subject);
  }

  set(subject: string, destination: Destination | undefined): void {
    if (destination === undefined) this.#wanted.delete(subject);
    else this.#wanted.set(subject, destination);
    // What has come and gone is no change: while the link is down there may be any number of those.
    if (this.#wanted.has(subject) === this.#asked.has(subject)) this.#changed.delete(subject);
    else this.#changed.add(subject);
  }

  /** Asks the engine for everything, as after each time that the link came up. What is not wanted any more is ended first. */
  async renew(link: ClusterLink): Promise<void> {
    this.#confirmed.clear();
    this.#end(link);
    this.#changed.clear();
    await this.#subscribe(link, [this.#own, ...this.#wanted.keys()]);
  }

  /** Asks the engine for what has changed. */
  update(link: ClusterLink): void {
    if (this.#changed.size === 0) return;
    this.#end(link);
    const fresh = [...this.#changed].filter((subject) => this.#wanted.has(subject));
    this.#changed.clear();
    if (fresh.length > 0)
      this.#subscribe(link, fresh).catch((error: unknown) => {
        for (const subject of fresh) this.#forget(subject);
        this.#onRefused(error, fresh);
      });
  }

  /** The link is down. */
  lost(): void {
    this.#confirmed.clear();
  }

  #end(link: ClusterLink): void {
    const over = [...this.#changed].filter((subject) => !this.#wanted.has(subject));
    if (over.length === 0) return;
    link.unsubscribe(over);
    for (const subject of over) {
      this.#forget(subject);
      this.#onOver(subject);
    }
  }

  async #subscribe(link: ClusterLink, subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) this.#asked.add(subject);
    await link.subscribe(subjects);
    for (const subject of subjects) if (this.#asked.has(subject)) this.#confirmed.add(subject);
  }

  #forget(subject: string): void {
    this.#asked.delete(subject);
    this.#confirmed.delete(subject);
  }
}
