/**
 * `sendall/sqlite`: history in a file, for `history.store` of a route.
 *
 * @module sendall/sqlite
 */
export { sqlite } from "./history/sqlite.js";
export type { SqliteOptions } from "./history/sqlite-options.js";
