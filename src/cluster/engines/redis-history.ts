/**
 * The store of history `redisHistory()`, which several nodes share and which orders what the nodes keep: a stream for each room, and a channel on which
 * a script publishes what the same script has put into the stream. A server opens and closes the store.
 */
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";
import { openRedis, type RedisClient } from "./redis-connection.js";
import { RedisHistorySession } from "./redis-history-session.js";
import { type RedisOptions, readRedisOptions } from "./redis-options.js";

const NAME = "redisHistory";

type Settings = ReturnType<typeof readRedisOptions>;

class RedisHistory implements HistoryStore {
  readonly name = NAME;
  readonly #settings: Settings;
  #session: RedisHistorySession | undefined;
  #isOpen = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  get isUp(): boolean {
    return this.#session?.takes ?? false;
  }

  async open(host: HistoryHost): Promise<void> {
    if (this.#isOpen)
      throw new Error("the store is in use by another server: each server takes a redisHistory() of its own");
    this.#isOpen = true;
    try {
      const dial = await openRedis(NAME, "history", this.#settings);
      const connect = (role: string): RedisClient => dial({ connectionName: `sendall-history-${role}`, keyPrefix: "" });
      const session = new RedisHistorySession(host, this.#settings, connect);
      this.#session = session;
      if (this.#settings.waitForLink) session.connectLater();
      else await session.connect();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  append(entry: MessageToKeep): undefined {
    this.#session?.append(entry);
  }

  read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    return this.#opened().read(room, query);
  }

  async subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void> {
    return await this.#opened().subscribe(room, onEntry);
  }

  async trim(): Promise<void> {
    await this.#session?.trim();
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#isOpen = false;
    await session?.close();
  }

  #opened(): RedisHistorySession {
    if (this.#session === undefined) throw new Error("the store of history is closed");
    return this.#session;
  }
}

/**
 * Keeps messages in Redis (or Valkey), for all servers with the same `prefix`: `history: { store: redisHistory({ url: "redis://127.0.0.1:6379" }) }`.
 * Carries the messages too: members on all nodes get the kept messages of a room in one order, whatever `cluster` is. Needs the package `ioredis`.
 * `maxBytes` and `maxRooms` do not bound Redis; `maxMessages` and `maxAgeMs` do. Positions outlive a restart of Redis with `appendonly yes` and
 * `appendfsync always`, and are unknown after any other.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `HISTORY_UNAVAILABLE` if Redis is not there, or refuses,
 * unless `waitForLink` is `true`
 */
export function redisHistory(options: RedisOptions): HistoryStore {
  return new RedisHistory(readRedisOptions(options));
}
