// @ts-check
// The other files are for other runners.
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["vitest.js"] } });
