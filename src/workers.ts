/**
 * `sendall/workers`: clusters of the workers of one machine (`node:cluster`), without an engine.
 *
 * @module sendall/workers
 */
export { type WorkersOptions, workers } from "./cluster/engines/workers.js";
