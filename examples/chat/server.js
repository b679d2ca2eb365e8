// @ts-check
// The chat demo: its page at / and its socket at /chat, on one port. `npm start` runs it, and `npm start -- --store sqlite:chat.db` keeps
// what was said over restarts.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { readHistory } from "./arguments.js";
import { createChat } from "./chat.js";

try {
  const history = readHistory(process.argv.slice(2));
  const server = await serve({
    port: Number(process.env.PORT || 8080),
    static: fileURLToPath(new URL("public", import.meta.url)),
    client: "/sendall/client.js",
    // Who loses the line for a while keeps the seat, and misses nothing.
    routes: { "/chat": { ...createChat(history), resume: { graceMs: 60_000 } } },
  });
  console.log(`Chat: http://127.0.0.1:${server.port}`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
} catch (error) {
  console.error(`The chat cannot start: ${error instanceof Error ? error.message : error}`);
  // 2 as commands have it: something is wrong with what was asked for.
  process.exitCode = error instanceof RangeError ? 2 : 1;
}
