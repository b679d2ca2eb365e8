import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^sendall$/, replacement: source("index.ts") },
      // A subpath of the package is a file of the same name in src/.
      { find: /^sendall\/(.+)$/, replacement: source("$1.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Tests wait for peers, children and browsers most of the time: two files at once, on two cores too.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Long enough for the slowest property on a busy machine; no test waits for it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
