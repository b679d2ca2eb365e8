/**
 * What a node hears of rooms in `redisHistory()`. A room with a subscription has a feed. After a break of the connection a feed asks for what was missed,
 * and holds what comes meanwhile. A feed ends with the last subscription of its room.
 */
import type { HistoryReading, StoredMessage } from "../../api/history-store.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { EngineFeed, type FeedListener } from "./engine-feed.js";

/** The number of feeds that ask at a time. */
const AT_ONCE = 64;
const RETRY_MS = 1_000;

export interface FeedEngine {
  readonly isUp: boolean;
  /** Resolves when the engine has confirmed. */
  listen(room: string): Promise<void>;
  ignore(room: string): void;
  /** What a reader missed who has the message at the position; without a position, where the room stands. */
  missed(room: string, position: string | undefined): Promise<HistoryReading>;
  /** Resolves when all that was published before the call has come. */
  heardAll(): Promise<void>;
}

interface FeedParts {
  readonly clock: Clock;
  readonly engine: FeedEngine;
  /** A silence that is longer hides nothing that is still kept. */
  readonly maxAgeMs: number;
  /** Messages of rooms may be missing. */
  readonly onMissing: (rooms: number) => void;
  readonly onRefused: (error: unknown) => void;
}

class Feed extends EngineFeed {
  /** What has come since the connection broke; `undefined` while the feed is live. */
  held: StoredMessage[] | undefined = [];
  /** The position up to which everything was handed over, and when that was so. */
  known: string | undefined;
  knownAt = 0;
  hasBeenLive = false;
}

export class RedisFeeds {
  readonly #parts: FeedParts;
  readonly #feeds = new Map<string, Feed>();
  /** Counts breaks: what was asked before a break is void. */
  #breaks = 0;
  #retry: Timer | undefined;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  async subscribe(room: string, listener: FeedListener): Promise<() => void> {
    const feed = this.#feeds.get(room) ?? new Feed(room);
    this.#feeds.set(room, feed);
    const own = feed.add(listener);
    const end = (): void => this.#end(feed, own);
    if (feed.held === undefined) return end;
    const confirmed = feed.confirmation();
    if (this.#parts.engine.isUp) void this.#ask(feed);
    try {
      await confirmed;
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  received(entry: StoredMessage): void {
    const feed = this.#feeds.get(entry.room);
    if (feed === undefined) return;
    if (feed.held !== undefined) {
      feed.held.push(entry);
      return;
    }
    this.#know(feed, entry.position);
    feed.deliver(entry);
  }

  /** The connection is lost. */
  onDeaf(): void {
    this.#breaks++;
    for (const feed of this.#feeds.values()) {
      feed.held = [];
      feed.isAsking = false;
    }
  }

  /** The engine is there: the feeds that are not live ask. @returns `false` if the connection has broken meanwhile */
  async onUp(): Promise<boolean> {
    const breaks = this.#breaks;
    const silent = [...this.#feeds.values()].filter(({ held, isAsking }) => held !== undefined && !isAsking);
    let missing = 0;
    for (let i = 0; i < silent.length; i += AT_ONCE) {
      const complete = await Promise.all(silent.slice(i, i + AT_ONCE).map((feed) => this.#ask(feed)));
      missing += complete.filter((isComplete) => isComplete === false).length;
    }
    if (missing > 0) this.#parts.onMissing(missing);
    return breaks === this.#breaks;
  }

  close(): void {
    this.#breaks++;
    this.#retry?.cancel();
    for (const feed of this.#feeds.values()) feed.refuse(new Error("the store of history is closed"));
    this.#feeds.clear();
  }

  #end(feed: Feed, listener: FeedListener): void {
    if (!feed.listeners.delete(listener) || feed.listeners.size > 0 || this.#feeds.get(feed.room) !== feed) return;
    this.#feeds.delete(feed.room);
    this.#parts.engine.ignore(feed.room);
  }

  /** @returns `false` if messages may be missing */
  async #ask(feed: Feed): Promise<boolean | undefined> {
    if (feed.isAsking || this.#feeds.get(feed.room) !== feed) return undefined;
    feed.isAsking = true;
    const { engine } = this.#parts;
    const breaks = this.#breaks;
    const isVoid = (): boolean => breaks !== this.#breaks || this.#feeds.get(feed.room) !== feed;
    try {
      // Asked in the same stack as the subscription: what the node appends from now on comes behind the answer.
      const begin = feed.known === undefined ? engine.missed(feed.room, undefined) : undefined;
      const [begun] = await Promise.all([begin, engine.listen(feed.room)]);
      if (isVoid()) return undefined;
      if (begun !== undefined) this.#know(feed, begun.position);
      const reading = await engine.missed(feed.room, feed.known);
      await engine.heardAll();
      return isVoid() ? undefined : this.#goLive(feed, reading);
    } catch (error) {
      if (!isVoid()) this.#onFailed(feed, error);
      return undefined;
    }
  }

  #goLive(feed: Feed, { outcome, entries, position }: HistoryReading): boolean {
    const { clock, maxAgeMs } = this.#parts;
    const held = feed.held ?? [];
    const isComplete = outcome === "complete";
    const isMissing = !isComplete && clock.now() - feed.knownAt < maxAgeMs;
    const fresh = isComplete ? [...entries, ...after(held, position)] : held;
    feed.held = undefined;
    feed.hasBeenLive = true;
    feed.isAsking = false;
    this.#know(feed, held.at(-1)?.position ?? position);
    for (const entry of fresh) feed.deliver(entry);
    feed.confirm();
    return !isMissing;
  }

  #know(feed: Feed, position: string): void {
    feed.known = position;
    feed.knownAt = this.#parts.clock.now();
  }

  #onFailed(feed: Feed, error: unknown): void {
    feed.isAsking = false;
    const { clock, engine, onRefused } = this.#parts;
    if (!engine.isUp) return;
    if (!feed.hasBeenLive) {
      feed.refuse(error);
      return;
    }
    onRefused(error);
    this.#retry ??= clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      if (engine.isUp) void this.onUp();
    });
  }
}

/** The messages behind a position of the same room. */
function after(held: readonly StoredMessage[], position: string): readonly StoredMessage[] {
  const [epoch = ""] = position.split("-");
  return held.slice(held.findLastIndex((entry) => isUpTo(entry.position, epoch, position)) + 1);
}

function isUpTo(candidate: string, epoch: string, position: string): boolean {
  return candidate.startsWith(`${epoch}-`) && candidate <= position;
}
