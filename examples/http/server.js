// @ts-check
// Http: a bare HTTP server of Node that answers /rooms; Sendall adds the chat: the page and the socket at /chat. `npm run example http`
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { attach } from "sendall";
import { createChat } from "../chat/chat.js";

const host = createServer((request, response) => {
  if (request.url === "/rooms") response.end(JSON.stringify(sockets.route("/chat").rooms()));
  else sockets.middleware(request, response, () => response.writeHead(404).end("there is no such page"));
});

const sockets = await attach(host, {
  logger: false,
  static: fileURLToPath(new URL("../chat/public", import.meta.url)),
  client: "/sendall/client.js",
  routes: { "/chat": createChat() },
});

host.listen(Number(process.env.PORT || 8080), "127.0.0.1");
await once(host, "listening");
console.log(`Http: ${sockets.url.replace("ws", "http")}`);

// First the sockets are told goodbye, while the host still answers, then the host goes.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await sockets.close();
    host.close();
    // A browser keeps connections on which it has asked nothing yet, and close() waits for them.
    setTimeout(() => host.closeAllConnections(), 1000).unref();
  });
