// @ts-check
// Fastify: routes of Fastify and sockets of Sendall on one port. `npm run example fastify`
// POST /say sends the text of its body to every socket at /news: curl -d hello -H 'Content-Type: text/plain' <address>/say
import { fileURLToPath } from "node:url";
import { fastify } from "fastify";
import { attach } from "sendall";
import { pageParts } from "../page/parts.js";

const app = fastify();
const sockets = await attach(app.server, {
  logger: false,
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  routes: {
    "/news": {
      handler(event, bus) {
        if (event.type === "open") bus.unicast(`${bus.connections().length} here`, event.connection);
      },
    },
  },
});

app.post("/say", (request) => sockets.sendall(String(request.body)));
// A path without a route of Fastify may be one of our files.
app.setNotFoundHandler((request, reply) => {
  reply.hijack();
  sockets.middleware(request.raw, reply.raw, () => reply.raw.writeHead(404).end());
});

await app.listen({ port: Number(process.env.PORT || 8080), host: "127.0.0.1" });
console.log(`Fastify: ${sockets.url.replace("ws", "http")}`);

// First the sockets are told goodbye, while the host still answers, then the host goes.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await sockets.close();
    // A browser keeps connections on which it has asked nothing yet, and close() waits for them.
    setTimeout(() => app.server.closeAllConnections(), 1000).unref();
    await app.close();
  });
