import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

/** Tests that share the loaded sources with later files: loading the sources again for each would take as long as many of the tests. */
const sharing = "test/unit/**/*.test.ts";
/** Files that replace a module or the listeners of their process, or measure its heap. */
const separate = [
  "test/unit/actors/bus.test.ts",
  "test/unit/actors/failures.test.ts",
  "test/unit/client/runtimes.test.ts",
  "test/unit/cluster/relay.test.ts",
  "test/unit/history/kept-memory.test.ts",
  "test/unit/otel/otel.test.ts",
  "test/unit/server/edges.test.ts",
  "test/unit/server/together.test.ts",
  "test/unit/snapshot/slices.test.ts",
  "test/unit/testing/trace.test.ts",
  "test/unit/transport/kept-frames.test.ts",
];

export default defineConfig({
  resolve: {
    alias: [
      { find: /^sendall$/, replacement: source("index.ts") },
      // A subpath of the package is a file of the same name in src/.
      { find: /^sendall\/(.+)$/, replacement: source("$1.ts") },
    ],
  },
  test: {
    projects: [
      { extends: true, test: { name: "sharing", include: [sharing], exclude: separate, isolate: false } },
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/*.test.ts", "test/{checklist,contract,e2e,site}/**/*.test.ts", ...separate],
          exclude: ["**/node_modules/**", "**/.pages/**"],
        },
      },
    ],
    // Tests wait for peers, children and browsers much of the time.
    maxWorkers: availableParallelism() + 1,
    // Long enough for the slowest property on a busy machine; no test waits for it.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
