/** Every adapter of ours keeps the contract that others are given to test theirs with. */
import type { ClusterAdapter } from "sendall";
import { memory, testClusterAdapter } from "sendall/testing/cluster-adapter";
import { describe, test } from "vitest";
import { Engine, KINDS } from "../e2e/engines.js";
import { requires } from "../e2e/requires.js";

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

describe.each(KINDS)("$name", (kind) => {
  const { skip } = requires(kind.name);
  testClusterAdapter({
    test: (title, run) =>
      test.skipIf(skip)(title, async () => {
        engine = await Engine.start(kind);
        await run();
      }),
    create: (prefix) => engine.adapter({ prefix }),
  });
  let engine: Engine;
});
