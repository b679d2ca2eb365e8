/**
 * `sendall/redis`: clusters over Redis or Valkey, by publish and subscribe.
 *
 * @module sendall/redis
 */
export { redis } from "./cluster/engines/redis.js";
export type { RedisOptions } from "./cluster/engines/redis-options.js";
