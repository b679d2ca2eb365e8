/**
 * `sendall/testing/cluster-adapter`: the tests that every cluster adapter must pass, for authors of adapters.
 *
 * @module sendall/testing/cluster-adapter
 */
export { type ClusterAdapterTest, testClusterAdapter } from "./adapter-suite.js";
export { memory } from "./memory-cluster.js";
