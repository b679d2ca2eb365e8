/**
 * `sendall/nats`: clusters over NATS, by core publish and subscribe.
 *
 * @module sendall/nats
 */
export { nats } from "./cluster/engines/nats.js";
export type { NatsOptions } from "./cluster/engines/nats-options.js";
