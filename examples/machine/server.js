// @ts-check
// Machine: a handler whose states are worth drawing, as an XState machine; its delays run on the server's clock. `npm run example machine`
// Open the page twice: once two are in, a countdown starts a round.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { lobby } from "./lobby.js";

const MAX_NAME = 24;

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  maxConnections: 100,
  // What it returns is `connection.data`, so the machine needs no event for a name.
  authorize: ({ query }) => ({ name: query.get("name")?.trim().slice(0, MAX_NAME) || "Somebody" }),
  handler: lobby,
});
console.log(`Machine: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
