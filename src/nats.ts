/**
 * `sendall/nats`: clusters over NATS, by core publish and subscribe.
 *
 * @module sendall/nats
 */
export { type NatsOptions, nats } from "./cluster/engines/nats.js";
