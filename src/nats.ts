/**
 * `sendall/nats`: clusters over NATS, by core publish and subscribe, and history in a stream of JetStream.
 *
 * @module sendall/nats
 */
export { jetstream } from "./cluster/engines/jetstream.js";
export { nats } from "./cluster/engines/nats.js";
export type { NatsOptions } from "./cluster/engines/nats-options.js";
