// @ts-check
// The chat demo: its page at / and its socket at /chat, on one port. `npm start` runs it.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { createChat } from "./chat.js";

const { PORT } = process.env;

async function start() {
  const server = await serve({
    port: Number(PORT || 8080),
    static: fileURLToPath(new URL("public", import.meta.url)),
    routes: { "/chat": { handler: createChat() } },
  });
  console.log(`Chat: http://127.0.0.1:${server.port}`);

  // Without our listeners a signal has its default effect: whoever is tired of waiting for the drain leaves at once.
  const stop = () => {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    void server.close();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
}

start().catch((error) => {
  console.error(`The chat cannot start: ${error.message}`);
  process.exitCode = 1;
});
