// @ts-check
// Tokens: the answer of a made-up language model streams to every page, token by token. `npm run example tokens`
// A page that loses its line for a while goes on with its session; a page that is new gets the state of the handler. Neither misses a token.
import { fileURLToPath } from "node:url";
import { reject, serve } from "sendall";
import { cables, isOwnPage } from "../page/cable.js";
import { pageParts } from "../page/parts.js";
import { createTokens } from "./tokens.js";

/** @type {import("sendall").Server} */
const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  // Whether anybody is there is found out within 2 s, where the defaults take 45 s.
  heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
  resume: true,
  routes: {
    "/cable": { handler: cables(() => server.port) },
    "/answers": {
      handler: createTokens(),
      // With `isOwnPage`.
      origins: "any",
      authorize: (request) => (isOwnPage(request) ? {} : reject(403)),
    },
  },
});
console.log(`Tokens: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
