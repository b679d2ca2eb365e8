// @ts-check
// Client: a bot that talks to the chat with `sendall/client`, and stays connected. `npm run example client` starts a chat with the
// bot in its lobby; `npm run example client ws://127.0.0.1:8080/chat` sends the bot to one that runs already, or will.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { createChat } from "../chat/chat.js";
import { startBot } from "./bot.js";

const elsewhere = process.argv.slice(2).find((word) => /^wss?:/.test(word));
const server = elsewhere === undefined ? await startChat() : undefined;
const bot = startBot(elsewhere ?? `ws://127.0.0.1:${server?.port}/chat`, { log: console.log });
console.log(`Client: ${elsewhere ?? `http://127.0.0.1:${server?.port}`}`);

function startChat() {
  return serve({
    port: Number(process.env.PORT || 8080),
    static: fileURLToPath(new URL("../chat/public", import.meta.url)),
    client: "/sendall/client.js",
    routes: { "/chat": { ...createChat(), resume: { graceMs: 60_000 } } },
  });
}

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    // For good: a client that is closed does not dial again.
    bot.close();
    server?.close();
  });
