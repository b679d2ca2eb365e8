// @ts-check
// So that vitest looks for tests here, and takes not those that are for other runners.
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["vitest.test.js"] } });
