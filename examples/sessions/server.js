// @ts-check
// Sessions: a cable to pull, between a page and its server. `npm run example sessions`
// Two clients of the page hang on the cable, one with a session and one without. The page shows which of them loses what.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { cables } from "../page/cable.js";
import { pageParts } from "../page/parts.js";
import { Desks } from "./desks.js";

const desks = new Desks();

/** @type {import("sendall").Server} */
const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  // Whether anybody is there is found out within 2 s, where the defaults take 45 s.
  heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
  routes: {
    "/cable": { handler: cables(() => server.port), resume: true },
    "/watch": { handler: desks.watch(), resume: true },
    // The same handler twice; the option `resume` is all the difference.
    "/session/:desk": { ...desks.line("session"), resume: true },
    "/plain/:desk": desks.line("plain"),
  },
});
console.log(`Sessions: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
