/**
 * Who is in one room: the keys of this node and the copies of the other nodes, merged, and what has been told of them. The presence of a
 * bus makes a room when the first key comes, and drops the room once no member and no key of this node is left.
 */
import type { PresentCount, PresentKey } from "../../api/presence.js";
import type { PresenceEntry, SharedPresence } from "../../cluster/presence/shared-presence.js";
import type { Clock } from "../../runtime/clock.js";
import { Audience, type Cause, type KnownKey, type News, type WhichNews } from "./audience.js";
import { CountNotices } from "./count-notices.js";
import { mergeEntries, type NodeEntry } from "./merge.js";
import { OwnEntries } from "./own-entries.js";

export interface PresentRoomParts {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly maxListed: number;
  /** Absent without a cluster. */
  readonly shared: SharedPresence | undefined;
  /** The room has news, or changes for the other nodes. */
  readonly onChanged: (room: PresentRoom) => void;
  /** Tells the members. */
  readonly tellClients: (room: string, news: News) => void;
  readonly tellCount: (room: string, count: number, cause: Cause) => void;
  /** Tells the handler. */
  readonly tellHandler: (room: string, news: News) => void;
  /** Whether the handler can take events now. */
  readonly handlerHasRoom: () => boolean;
}

const EXPIRED: Cause = { id: undefined, isLocal: true };
const FROM_OTHERS: Cause = { id: undefined, isLocal: false };

export class PresentRoom {
  readonly name: string;
  readonly own: OwnEntries;
  readonly #parts: PresentRoomParts;
  /** What has been told to the clients is what `present` lists. */
  readonly #clients = new Audience();
  readonly #handler = new Audience();
  readonly #counts: CountNotices;
  /** Keys of this node that the other nodes have to hear of. */
  readonly #unpublished = new Set<string>();
  #isListed = true;
  #isTelling = false;
  /** No member of this node is left, and keys of this node are in grace. */
  #isEmptied = false;

  constructor(name: string, parts: PresentRoomParts) {
    this.name = name;
    this.#parts = parts;
    this.own = new OwnEntries(parts.clock, parts.graceMs, (key) => this.onOwnChanged(key, EXPIRED));
    this.#counts = new CountNotices(
      parts.clock,
      () => this.#clients.told.size,
      (count, cause) => parts.tellCount(name, count, cause),
    );
  }

  /** Whether news wait for the handler or for the next turn. */
  get hasNews(): boolean {
    return this.#clients.hasNews || this.#handler.hasNews;
  }

  onOwnChanged(key: string, cause: Cause): void {
    this.#unpublished.add(key);
    this.#keepSince(key);
    this.#onChanged(key, cause);
  }

  onCopiesChanged(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#keepSince(key);
      this.#onChanged(key, FROM_OTHERS);
    }
  }

  /** An entry of this node has changed in a way that is no news: a connection is away, or is back. */
  onOwnDiffers(key: string): void {
    this.#unpublished.add(key);
    this.#parts.onChanged(this);
  }

  /** Hands the changes of this node's keys to the other nodes. */
  publish(): void {
    if (this.#unpublished.size === 0) return;
    const changes = new Map<string, PresenceEntry | undefined>();
    for (const key of this.#unpublished) changes.set(key, this.own.find(key));
    this.#unpublished.clear();
    this.#parts.shared?.publish(this.name, changes);
  }

  /** Tells the news that are due. @param turn the number of the turn */
  tell(turn: number, which?: WhichNews): void {
    // What is told may ask for the list.
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      this.#tellAll(turn, which);
    } finally {
      this.#isTelling = false;
    }
  }

  /** The last member of this node has left: the keys of the other nodes go, without news. */
  onEmptied(): void {
    this.#isEmptied = true;
    const own = (key: string): KnownKey | undefined => this.own.find(key);
    this.#clients.forget(own);
    this.#handler.forget(own);
    this.#isListed = true;
    this.#counts.stop();
  }

  /** A member is about to join a room without members: what the other nodes have told meanwhile is news. */
  onFilling(): void {
    if (!this.#isEmptied) return;
    this.#isEmptied = false;
    for (const { entries } of this.#parts.shared?.copiesOf(this.name) ?? []) this.onCopiesChanged(entries.keys());
  }

  list(): PresentKey[] {
    const told = [...this.#clients.told].sort(
      ([a, { since }], [b, { since: other }]) => since - other || (a < b ? -1 : 1),
    );
    return told.slice(0, this.#parts.maxListed).map(([key, known]) => this.#describe(key, known));
  }

  count(): PresentCount {
    const { told, connections } = this.#clients;
    return { keys: told.size, connections };
  }

  stop(): void {
    this.own.stop();
    this.#counts.stop();
  }

  #tellAll(turn: number, which: WhichNews | undefined): void {
    const now = (key: string): KnownKey | undefined => this.#merge(key);
    const { maxListed, tellClients, tellHandler, handlerHasRoom } = this.#parts;
    let cause = FROM_OTHERS;
    for (const news of this.#clients.takeNews(turn, now, which)) {
      cause = news.cause;
      if (news.count > maxListed) this.#isListed = false;
      if (this.#isListed) tellClients(this.name, news);
    }
    if (!this.#isListed) this.#counts.onChanged(cause);
    if (this.#handler.hasNews && handlerHasRoom())
      for (const news of this.#handler.takeNews(turn, now, which)) {
        tellHandler(this.name, news);
        if (!handlerHasRoom()) break;
      }
  }

  #onChanged(key: string, cause: Cause): void {
    // The key is present on another node, or was only there: no news, since the room has no members here.
    if (
      this.#isEmptied &&
      this.own.find(key) === undefined &&
      (this.#isElsewhere(key) || !this.#handler.told.has(key))
    ) {
      this.#clients.drop(key);
      this.#handler.drop(key);
    } else {
      this.#clients.onChanged(key, cause);
      this.#handler.onChanged(key, cause);
    }
    this.#parts.onChanged(this);
  }

  /** A key that is here and elsewhere stays present since the earlier time, also once the key is only here. */
  #keepSince(key: string): void {
    if (!this.own.has(key)) return;
    for (const { entries } of this.#parts.shared?.copiesOf(this.name) ?? []) {
      const since = entries.get(key)?.since;
      if (since !== undefined && this.own.keepEarlier(key, since)) this.#unpublished.add(key);
    }
  }

  #isElsewhere(key: string): boolean {
    for (const { entries } of this.#parts.shared?.copiesOf(this.name) ?? []) if (entries.has(key)) return true;
    return false;
  }

  #describe(key: string, { info, since }: KnownKey): PresentKey {
    const merged = this.#merge(key);
    return {
      key,
      info,
      connections: merged?.connections ?? 0,
      away: merged?.away ?? false,
      since: merged?.since ?? since,
    };
  }

  /** The key over all nodes; of a room without members, on this node. */
  #merge(key: string): PresenceEntry | undefined {
    const { shared } = this.#parts;
    const own = this.own.find(key);
    if (shared === undefined || this.#isEmptied) return own;
    const entries: NodeEntry[] = own === undefined ? [] : [{ node: shared.node, entry: own }];
    for (const copy of shared.copiesOf(this.name)) {
      const entry = copy.entries.get(key);
      if (entry !== undefined) entries.push({ node: copy.node, entry });
    }
    return mergeEntries(entries);
  }
}
