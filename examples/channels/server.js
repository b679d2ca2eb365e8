// @ts-check
// Channels: several conversations over one socket, on the multiplex wire of SockJS. `npm run example channels`
// The page has a pane for each; public/app.js speaks the wire, which takes it a few lines.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { people } from "./people.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  handler: people,
});
console.log(`Channels: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
