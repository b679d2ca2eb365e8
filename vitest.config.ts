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
    // Long enough for the slowest property on a busy machine; no test waits for it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
