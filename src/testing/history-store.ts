/**
 * `sendall/testing/history-store`: the tests that every store of history must pass, for authors of stores.
 *
 * @module sendall/testing/history-store
 */
export { type HistoryStoreTest, testHistoryStore } from "./history-suite.js";
