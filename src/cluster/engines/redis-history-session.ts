/**
 * The store `redisHistory()` from `open` to `close`: sends what is appended at the end of each turn, reads, and hands over what comes. What is sent while
 * the connection breaks is lost or arrives once: nothing is sent twice.
 */
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";
import { readPosition } from "../../history/position.js";
import type { HistorySession } from "./engine-history.js";
import type { RedisClient } from "./redis-connection.js";
import { type FeedEngine, RedisFeeds } from "./redis-history-feeds.js";
import { RedisHistoryLink } from "./redis-history-link.js";
import { APPEND, headOf, READ, type RedisReading, readAnswer, readPublished } from "./redis-history-scripts.js";

/** How much longer than `maxAgeMs` the keys of a room stay: the clocks of nodes and engine differ. */
const SPARE_MS = 60_000;
/** Longer than any use, and short enough for the engine to add to the time. */
const MAX_KEY_MS = 10_000_000_000_000;
/** The number of rooms that a trim asks at a time. */
const TRIMS_AT_ONCE = 64;

interface RedisHistorySettings {
  readonly prefix: string;
  readonly pingIntervalMs: number;
}

/** What is not yet sent of a room, and how much that is. */
interface Batch {
  readonly args: (string | Buffer)[];
  count: number;
  /** Called when redis has answered. */
  readonly confirmed: (() => void)[];
}

/** The store from `open` to `close`. */
export class RedisHistorySession implements FeedEngine, HistorySession {
  readonly #host: HistoryHost;
  readonly #prefix: string;
  readonly #link: RedisHistoryLink;
  readonly #feeds: RedisFeeds;
  #batches = new Map<string, Batch>();
  /** The rooms in which something was kept, and when the oldest message that may be there was sent. */
  readonly #oldest = new Map<string, number>();
  /** Settles the wait for the first connection. */
  #first: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  #isAway = false;
  /** The connection is there again, and the rooms are not heard yet: a message would not come back to this node. */
  #isCatchingUp = false;

  constructor(
    host: HistoryHost,
    { prefix, pingIntervalMs }: RedisHistorySettings,
    dial: (role: string) => RedisClient,
  ) {
    this.#host = host;
    this.#prefix = `${prefix}.history.`;
    const { clock, maxAgeMs, log } = host;
    this.#feeds = new RedisFeeds({
      clock,
      maxAgeMs,
      engine: this,
      onMissing: (rooms) => log.warn({ rooms }, "redisHistory: messages may have been missed while redis was away"),
      onRefused: (err) => log.error({ err }, "redisHistory: redis refuses a subscription"),
    });
    this.#link = new RedisHistoryLink({
      clock,
      pingMs: pingIntervalMs,
      dial,
      onUp: () => this.#onUp(),
      onDown: (error) => this.#onDown(error),
      onDeaf: () => this.#feeds.onDeaf(),
      onMessage: (channel, packet) => this.#onMessage(channel, packet),
    });
  }

  /** Rejects if the first attempt fails. */
  async connect(): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.#first = { resolve, reject };
    });
    this.#link.connect();
    await connected;
  }

  /** Goes on trying. */
  connectLater(): void {
    this.#link.connect();
  }

  get isUp(): boolean {
    return this.#link.isUp;
  }

  get takes(): boolean {
    return this.#link.takes && !this.#isCatchingUp;
  }

  append(entry: MessageToKeep): void {
    if (!this.takes) {
      this.#host.lost(1, new Error("redisHistory: redis takes no messages now"));
      return;
    }
    if (this.#batches.size === 0) this.#host.atTurnEnd(() => this.#flush());
    const batch = this.#batches.get(entry.room) ?? { args: [], count: 0, confirmed: [] };
    this.#batches.set(entry.room, batch);
    const { buffer, byteOffset, byteLength } = entry.bytes;
    batch.args.push(headOf(entry), Buffer.from(buffer, byteOffset, byteLength));
    batch.count++;
    batch.confirmed.push(this.#link.backlog.add(byteLength));
    this.#noteOldest(entry.room, entry.at);
  }

  read(room: string, { after, last, limit }: HistoryQuery): Promise<HistoryReading> {
    if (after === undefined) return this.#read(room, ["last", `${Math.min(last ?? limit, limit)}`]);
    const { epoch, number } = readPosition(after) ?? { epoch: "", number: 0 };
    return this.#read(room, ["after", epoch, `${number}`, `${limit}`]);
  }

  subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void> {
    return this.#feeds.subscribe(room, onEntry);
  }

  async trim(): Promise<void> {
    if (!this.#link.isUp) return;
    const cutoff = this.#cutoff;
    const rooms = [...this.#oldest].filter(([, at]) => at < cutoff).map(([room]) => room);
    for (let i = 0; i < rooms.length; i += TRIMS_AT_ONCE)
      await Promise.all(rooms.slice(i, i + TRIMS_AT_ONCE).map((room) => this.#trim(room)));
  }

  async close(): Promise<void> {
    this.#flush();
    this.#feeds.close();
    await this.#link.close();
  }

  listen(room: string): Promise<void> {
    return this.#link.subscribe(this.#channelOf(room));
  }

  ignore(room: string): void {
    this.#link.unsubscribe(this.#channelOf(room));
  }

  missed(room: string, position: string | undefined): Promise<HistoryReading> {
    const { epoch, number } = (position === undefined ? undefined : readPosition(position)) ?? {};
    if (epoch === undefined) return this.#read(room, ["last", "0"]);
    return this.#read(room, ["missed", epoch, `${number}`, `${this.#host.maxMessages}`]);
  }

  heardAll(): Promise<void> {
    return this.#link.heardAll();
  }

  get #cutoff(): number {
    return this.#host.clock.now() - this.#host.maxAgeMs;
  }

  get #keyMs(): string {
    return `${Math.min(Math.ceil(this.#host.maxAgeMs) + SPARE_MS, MAX_KEY_MS)}`;
  }

  /** The keys of a room have one hash tag, and so are on one node of a Redis cluster. */
  #keysOf(room: string): [stream: string, state: string] {
    const key = `${this.#prefix}{${room}}`;
    return [key, `${key}.state`];
  }

  #channelOf(room: string): string {
    return `${this.#prefix}{${room}}.${this.#link.database}`;
  }

  #onMessage(channel: string, packet: Buffer): void {
    const room = channel.slice(this.#prefix.length + 1, channel.lastIndexOf("}"));
    const entry = readPublished(room, packet);
    if (entry !== undefined) this.#feeds.received(entry);
  }

  /** What was appended before the call is sent first. */
  async #read(room: string, query: readonly string[]): Promise<RedisReading> {
    this.#flush();
    const args = [this.#keyMs, `${this.#cutoff}`, ...query];
    const answer = await this.#link.ask(READ, this.#keysOf(room), this.#host.newEpoch(), args);
    return readAnswer(room, answer, query[0] === "last");
  }

  async #trim(room: string): Promise<void> {
    const { oldest } = await this.#read(room, ["last", "0"]);
    if (oldest === undefined) this.#oldest.delete(room);
    else this.#oldest.set(room, oldest);
  }

  #flush(): void {
    const batches = this.#batches;
    if (batches.size === 0) return;
    this.#batches = new Map();
    for (const [room, batch] of batches) void this.#send(room, batch);
  }

  async #send(room: string, { args, count, confirmed }: Batch): Promise<void> {
    const link = this.#link;
    const head = [this.#keyMs, `${this.#host.maxMessages}`, this.#channelOf(room)];
    try {
      await link.ask(APPEND, this.#keysOf(room), this.#host.newEpoch(), [...head, ...args]);
    } catch (error) {
      // The engine has refused, or the connection is lost.
      if (link.isUp) link.pause();
      this.#host.lost(count, error);
    } finally {
      for (const confirm of confirmed) confirm();
    }
  }

  /** Rooms beyond `maxRooms` are left to the engine, whose keys go by themselves. */
  #noteOldest(room: string, at: number): void {
    if (!this.#oldest.has(room) && this.#oldest.size < this.#host.maxRooms) this.#oldest.set(room, at);
  }

  #onUp(): void {
    this.#first?.resolve();
    this.#first = undefined;
    if (this.#isAway) this.#host.log.info({}, "redisHistory: redis is back");
    this.#isAway = false;
    void this.#catchUp();
  }

  async #catchUp(): Promise<void> {
    this.#isCatchingUp = true;
    const isLast = await this.#feeds.onUp();
    if (isLast) this.#isCatchingUp = false;
  }

  #onDown(error: unknown): void {
    this.#first?.reject(error);
    this.#first = undefined;
    if (!this.#isAway) this.#host.log.warn({ err: error }, "redisHistory: redis is away, and nothing is kept");
    this.#isAway = true;
  }
}
