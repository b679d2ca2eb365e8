/**
 * `sendall/redis`: clusters over Redis or Valkey, by publish and subscribe, and history in streams.
 *
 * @module sendall/redis
 */
export { redis } from "./cluster/engines/redis.js";
export { redisHistory } from "./cluster/engines/redis-history.js";
export type { RedisOptions } from "./cluster/engines/redis-options.js";
