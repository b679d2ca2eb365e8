/**
 * The keys of this node in one room, each with its connections. A key ends once the last connection has been gone for `graceMs`. The room
 * that owns the entries stops the timers.
 */
import type { Json } from "../../api/json.js";
import type { PresenceEntry } from "../../cluster/presence/shared-presence.js";
import type { Clock, Timer } from "../../runtime/clock.js";

/** What presence needs of a connection. */
export interface PresentMember {
  readonly id: string;
  readonly isAway: boolean;
}

/** What a connection shows, and since when. */
export interface Shown {
  readonly info: Json;
  readonly at: number;
}

interface OwnKey {
  readonly key: string;
  readonly since: number;
  /** The latest info last. */
  readonly connections: Map<PresentMember, Shown>;
  /** The info of the latest connection; in grace the last info. */
  shown: Shown;
  /** Runs while there is no connection. */
  grace: Timer | undefined;
}

export class OwnEntries {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #keys = new Map<string, OwnKey>();
  readonly #keyOf = new Map<PresentMember, OwnKey>();
  readonly #onExpired: (key: string) => void;

  /** @param onExpired called when the grace of a key is over, and the key has gone */
  constructor(clock: Clock, graceMs: number, onExpired: (key: string) => void) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#onExpired = onExpired;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  keys(): Iterable<string> {
    return this.#keys.keys();
  }

  join(member: PresentMember, key: string, shown: Shown): void {
    const own = this.#keys.get(key) ?? { key, since: shown.at, connections: new Map(), shown, grace: undefined };
    this.#keys.set(key, own);
    this.#keyOf.set(member, own);
    own.grace?.cancel();
    own.grace = undefined;
    own.connections.set(member, shown);
    own.shown = shown;
  }

  /** @returns the member's key, or `undefined` for a connection that is no member */
  leave(member: PresentMember): string | undefined {
    const own = this.#keyOf.get(member);
    if (own === undefined) return undefined;
    this.#keyOf.delete(member);
    own.connections.delete(member);
    for (const shown of own.connections.values()) own.shown = shown;
    if (own.connections.size > 0) return own.key;
    if (this.#graceMs === 0) this.#keys.delete(own.key);
    else
      own.grace = this.#clock.after(this.#graceMs, () => {
        this.#keys.delete(own.key);
        this.#onExpired(own.key);
      });
    return own.key;
  }

  /** @returns the member's key, or `undefined` for a connection that is no member */
  show(member: PresentMember, shown: Shown): string | undefined {
    const own = this.#keyOf.get(member);
    if (own === undefined) return undefined;
    // The latest info last.
    own.connections.delete(member);
    own.connections.set(member, shown);
    own.shown = shown;
    return own.key;
  }

  keyOf(member: PresentMember): string | undefined {
    return this.#keyOf.get(member)?.key;
  }

  find(key: string): PresenceEntry | undefined {
    const own = this.#keys.get(key);
    return own && entryOf(own);
  }

  *entries(): Generator<PresenceEntry> {
    for (const own of this.#keys.values()) yield entryOf(own);
  }

  stop(): void {
    for (const { grace } of this.#keys.values()) grace?.cancel();
  }
}

function entryOf({ key, since, connections, shown }: OwnKey): PresenceEntry {
  let away = connections.size > 0;
  for (const { isAway } of connections.keys()) away &&= isAway;
  return { key, info: shown.info, infoAt: shown.at, since, connections: connections.size, away };
}
