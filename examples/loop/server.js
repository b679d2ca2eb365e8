// @ts-check
// Loop: a connection is read with `for await`, and silence comes as a value of its own. `npm run example loop`
// The page connects, sends and disconnects; what is sent comes back, and who says nothing for 5 s is sent something.
import { fileURLToPath } from "node:url";
import { perConnection, serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { echoLoop } from "./loop.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  handler: perConnection(echoLoop),
});
console.log(`Loop: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
