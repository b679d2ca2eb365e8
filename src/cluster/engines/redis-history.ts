/**
 * The store of history `redisHistory()`, which several nodes share and which orders what the nodes keep: a stream for each room, and a channel on which
 * a script publishes what the same script has put into the stream. A server opens and closes the store.
 */
import type { HistoryStore } from "../../api/history-store.js";
import { EngineHistory } from "./engine-history.js";
import { openRedis, type RedisClient } from "./redis-connection.js";
import { RedisHistorySession } from "./redis-history-session.js";
import { type RedisOptions, readRedisOptions } from "./redis-options.js";

const NAME = "redisHistory";

/**
 * Keeps messages in Redis (or Valkey), for all servers with the same `prefix`: `history: { store: redisHistory({ url: "redis://127.0.0.1:6379" }) }`.
 * Carries the messages too: members on all nodes get the kept messages of a room in one order, whatever `cluster` is. Needs the package `ioredis`.
 * `maxBytes` and `maxRooms` do not bound Redis; `maxMessages` and `maxAgeMs` do. Positions outlive a restart of Redis with `appendonly yes` and
 * `appendfsync always`, and are unknown after any other.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `HISTORY_UNAVAILABLE` if Redis is not there, or refuses,
 * unless `waitForLink` is `true`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { redisHistory } from "sendall/redis";
 *
 * const server = await serve({
 *   port: 8080,
 *   history: { store: redisHistory({ url: "redis://127.0.0.1:6379", waitForLink: true }) },
 *   concurrency: "connection",
 *   async handler(event, bus) {
 *     if (event.type === "open") await event.connection.follow("lobby", { last: 50 });
 *     if (event.type === "message") bus.sendall(event.data, { room: "lobby", keep: true });
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function redisHistory(options: RedisOptions): HistoryStore {
  const settings = readRedisOptions(options);
  return new EngineHistory({
    name: NAME,
    waitForLink: settings.waitForLink,
    async begin(host) {
      const dial = await openRedis(NAME, "history", settings);
      const connect = (role: string): RedisClient => dial({ connectionName: `sendall-history-${role}`, keyPrefix: "" });
      return new RedisHistorySession(host, settings, connect);
    },
  });
}
