import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^sendall$/, replacement: source("index.ts") },
      { find: /^sendall\/client$/, replacement: source("client.ts") },
      { find: /^sendall\/testing$/, replacement: source("testing/runtime.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Long enough for the slowest property on a busy machine; no test waits for it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
