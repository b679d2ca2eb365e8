/**
 * `sendall/redis`: clusters over Redis or Valkey, by publish and subscribe.
 *
 * @module sendall/redis
 */
export { type RedisOptions, redis } from "./cluster/engines/redis.js";
