/** Every adapter of ours keeps the contract that others are given to test theirs with. */
import type { ClusterAdapter } from "sendall";
import { memory, testClusterAdapter } from "sendall/testing/cluster-adapter";
import { describe, test } from "vitest";

describe("memory", () => {
  const clusters = new Map<string, ClusterAdapter>();
  testClusterAdapter({
    test,
    create: (name) => {
      const adapter = clusters.get(name) ?? memory();
      clusters.set(name, adapter);
      return adapter;
    },
  });
});
