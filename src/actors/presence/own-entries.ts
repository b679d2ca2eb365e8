/**
 * The keys of this node in one room, each with its connections. A key ends once the last connection has been gone for `graceMs`. The room
 * that owns the entries stops the timers.
 */
import type { Json } from "../../api/json.js";
import type { PresenceEntry } from "../../cluster/presence/shared-presence.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { SlotMap } from "../../runtime/slot-map.js";

/** What presence needs of a connection. */
export interface PresentMember {
  readonly id: string;
  readonly isAway: boolean;
}

/** What a connection shows, and since when. */
export interface Shown {
  readonly info: Json;
  readonly at: number;
  /** Whether the connection has shown the info by itself, so that the info counts before the answers of `presence.info`. */
  readonly isShown: boolean;
}

interface OwnKey {
  readonly key: string;
  since: number;
  /** In the order of showing. */
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
  readonly #keyOf = new SlotMap<string, OwnKey>();
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
    const own = this.#keys.get(key) ?? {
      key,
      since: Math.floor(shown.at),
      connections: new Map(),
      shown,
      grace: undefined,
    };
    this.#keys.set(key, own);
    this.#keyOf.set(member.id, own);
    own.grace?.cancel();
    own.grace = undefined;
    // In grace the key had no connection whose info could count.
    if (own.connections.size === 0 || !own.shown.isShown || shown.isShown) own.shown = shown;
    own.connections.set(member, shown);
  }

  /** @returns the member's key, or `undefined` for a connection that is no member */
  leave(member: PresentMember): string | undefined {
    const own = this.#keyOf.get(member.id);
    if (own === undefined) return undefined;
    this.#keyOf.delete(member.id);
    own.connections.delete(member);
    own.shown = latestOf(own);
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
    const own = this.#keyOf.get(member.id);
    if (own === undefined) return undefined;
    own.connections.delete(member);
    own.connections.set(member, shown);
    own.shown = shown;
    return own.key;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Keeps the time since when the key is present on another node, if that is the earlier time. @returns whether the key had a later one */
  keepEarlier(key: string, since: number): boolean {
    const own = this.#keys.get(key);
    if (own === undefined || own.since <= since) return false;
    own.since = since;
    return true;
  }

  keyOf(member: PresentMember): string | undefined {
    return this.#keyOf.get(member.id)?.key;
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
  const { info, at, isShown } = shown;
  // Clocks of two nodes differ by more than a millisecond, and digits behind the point would go to every node with every entry.
  return { key, info, infoAt: Math.floor(at), isShown, since, connections: connections.size, away };
}

/** The last info of those that have shown something, else of all; without a connection the info of before. */
function latestOf({ connections, shown }: OwnKey): Shown {
  const all = [...connections.values()];
  return all.findLast(({ isShown }) => isShown) ?? all.at(-1) ?? shown;
}
