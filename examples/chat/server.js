// @ts-check
// The chat demo: its page at / and its socket at /chat, on one port. `npm start` runs it.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { createChat } from "./chat.js";

try {
  const server = await serve({
    port: Number(process.env.PORT || 8080),
    static: fileURLToPath(new URL("public", import.meta.url)),
    client: "/sendall/client.js",
    // Who loses the line for a while keeps the seat, and misses nothing.
    routes: { "/chat": { ...createChat(), resume: { graceMs: 60_000 } } },
  });
  console.log(`Chat: http://127.0.0.1:${server.port}`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
} catch (error) {
  console.error(`The chat cannot start: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
