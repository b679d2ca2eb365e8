// @ts-check
/** Loaded into the programs of pages that show TypeScript, and into no others: the thread that reads TypeScript takes 100 ms to start. */
import { register } from "node:module";

// Node 22.18 and newer read TypeScript by themselves.
if (!("typescript" in process.features && process.features.typescript))
  register(new URL("./strip-types.js", import.meta.url));
