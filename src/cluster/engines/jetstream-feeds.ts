/**
 * What a node hears of rooms in `jetstream()`. A room with a subscription has a feed, and the feed a consumer. After a break of the connection the feed has
 * a new consumer, which begins at the last message that was handed over. A feed ends with the last subscription of its room.
 */
import type { Clock, Timer } from "../../runtime/clock.js";
import { EngineFeed, type FeedListener } from "./engine-feed.js";
import { BEAT_MS, type StreamConsumer } from "./jetstream-consumer.js";
import type { JetStreamLink } from "./jetstream-link.js";
import { LateMessages, type StreamMessage, storedOf } from "./jetstream-messages.js";

/** The number of feeds that ask at a time. */
const AT_ONCE = 64;
/** A consumer that is silent for so long has ended. */
const SILENT_MS = 3 * BEAT_MS;
const RETRY_MS = 1_000;

interface FeedsParts {
  readonly clock: Clock;
  readonly link: JetStreamLink;
  readonly subjectOf: (room: string) => string;
  /** The number of messages of a room that a reading can ask for. */
  readonly maxRecent: number;
  /** Messages of a room may be missing. */
  readonly onMissing: (room: string) => void;
  readonly onRefused: (error: unknown) => void;
}

/** The message up to which everything was handed over; `isKept` if the message is of the room, and so can show that nothing after it has gone. */
interface Known {
  readonly epoch: string;
  readonly seq: number;
  readonly isKept: boolean;
}

class Feed extends EngineFeed {
  known: Known | undefined;
  /** The numbers of the last messages, without holes; at most `maxRecent`. */
  recent: number[] = [];
  readonly late = new LateMessages();
  consumer: StreamConsumer | undefined;
  /** Counts consumers: what an earlier consumer brings is void. */
  turn = 0;
  heardAt = 0;
}

export class JetStreamFeeds {
  readonly #parts: FeedsParts;
  readonly #feeds = new Map<string, Feed>();
  #sweep: Timer | undefined;
  #retry: Timer | undefined;

  constructor(parts: FeedsParts) {
    this.#parts = parts;
  }

  async subscribe(room: string, listener: FeedListener): Promise<() => void> {
    const feed = this.#feeds.get(room) ?? new Feed(room);
    this.#feeds.set(room, feed);
    this.#watch();
    const own = feed.add(listener);
    const end = (): void => this.#end(feed, own);
    if (feed.consumer !== undefined) return end;
    const confirmed = feed.confirmation();
    if (this.#parts.link.isUp) void this.#ask(feed);
    try {
      await confirmed;
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  /** Where a reading of the newest messages can begin, as far as the feed of the room knows. */
  startOf(room: string, count: number): number {
    return this.#feeds.get(room)?.recent.at(-count) ?? 1;
  }

  /** The connection is lost, or the stream. */
  onDown(): void {
    for (const feed of this.#feeds.values()) silence(feed);
  }

  /** The engine is there: the feeds without a consumer ask. */
  async onUp(): Promise<void> {
    const silent = [...this.#feeds.values()].filter(({ consumer }) => consumer === undefined);
    for (let i = 0; i < silent.length; i += AT_ONCE)
      await Promise.all(silent.slice(i, i + AT_ONCE).map((feed) => this.#ask(feed)));
  }

  close(): void {
    this.#sweep?.cancel();
    this.#retry?.cancel();
    for (const feed of this.#feeds.values()) {
      silence(feed);
      feed.refuse(new Error("the store of history is closed"));
    }
    this.#feeds.clear();
  }

  #end(feed: Feed, listener: FeedListener): void {
    if (!feed.listeners.delete(listener) || feed.listeners.size > 0 || this.#feeds.get(feed.room) !== feed) return;
    this.#feeds.delete(feed.room);
    silence(feed);
  }

  async #ask(feed: Feed): Promise<void> {
    if (feed.isAsking || this.#feeds.get(feed.room) !== feed) return;
    feed.isAsking = true;
    const turn = ++feed.turn;
    const { clock, link, maxRecent, subjectOf } = this.#parts;
    const { epoch } = link;
    const { known } = feed;
    feed.heardAt = clock.now();
    let isFirst = known !== undefined;
    try {
      const consumer = await link.consume(subjectOf(feed.room), startOf(known, epoch), {
        onMessage: (message) => {
          if (turn !== feed.turn) return;
          feed.heardAt = clock.now();
          if (isFirst) this.#checkFirst(feed, known, epoch, message);
          isFirst = false;
          if (message !== undefined) deliver(feed, epoch, message, maxRecent);
        },
        onIdle: () => {
          feed.heardAt = clock.now();
        },
        onLost: () => {
          if (turn === feed.turn) this.#restart(feed);
        },
      });
      if (turn !== feed.turn) {
        consumer.end();
        return;
      }
      feed.isAsking = false;
      feed.consumer = consumer;
      feed.known ??= { epoch, seq: consumer.begin, isKept: false };
      // Nothing is there, not even the message that was known.
      if (isFirst && consumer.total === 0) this.#checkFirst(feed, known, epoch, undefined);
      feed.confirm();
    } catch (error) {
      if (turn === feed.turn) this.#onFailed(feed, error);
    }
  }

  /** The first message after a break is the one that was known, if nothing has gone. */
  #checkFirst(feed: Feed, known: Known | undefined, epoch: string, message: StreamMessage | undefined): void {
    if (known === undefined) return;
    if (known.epoch === epoch && (!known.isKept || message?.seq === known.seq)) return;
    feed.recent = [];
    this.#parts.onMissing(feed.room);
  }

  #restart(feed: Feed): void {
    silence(feed);
    if (this.#parts.link.isUp) void this.#ask(feed);
  }

  #onFailed(feed: Feed, error: unknown): void {
    feed.isAsking = false;
    const { clock, link, onRefused } = this.#parts;
    if (!link.isUp) return;
    if (feed.known === undefined) {
      feed.refuse(error);
      return;
    }
    onRefused(error);
    this.#retry ??= clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      if (link.isUp) void this.onUp();
    });
  }

  /** Looks for consumers that have ended without a word, while there are feeds. */
  #watch(): void {
    const { clock, link } = this.#parts;
    this.#sweep ??= clock.after(SILENT_MS, () => {
      this.#sweep = undefined;
      const since = clock.now() - SILENT_MS;
      for (const feed of this.#feeds.values())
        if (feed.consumer !== undefined && feed.heardAt < since && link.isUp) this.#restart(feed);
      if (this.#feeds.size > 0) clock.soon(() => this.#watch());
    });
  }
}

function silence(feed: Feed): void {
  feed.turn++;
  feed.isAsking = false;
  feed.consumer?.end();
  feed.consumer = undefined;
}

/** In another stream everything is new. */
function startOf(known: Known | undefined, epoch: string): number | "new" {
  if (known === undefined) return "new";
  if (known.epoch !== epoch) return 1;
  return known.isKept ? known.seq : known.seq + 1;
}

function deliver(feed: Feed, epoch: string, message: StreamMessage, maxRecent: number): void {
  const { known } = feed;
  if (known?.epoch === epoch && message.seq <= known.seq) return;
  feed.known = { epoch, seq: message.seq, isKept: true };
  if (message.kind === "start" || feed.late.isLate(message)) return;
  feed.recent.push(message.seq);
  if (feed.recent.length > maxRecent) feed.recent.shift();
  feed.deliver(storedOf(feed.room, epoch, message));
}
