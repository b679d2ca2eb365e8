// @ts-check
// Fastify: its routes and our sockets on one port. `npm run example fastify`
// POST /say with a text sends it to every socket at /news.
import { fileURLToPath } from "node:url";
import { fastify } from "fastify";
import { attach } from "sendall";

const app = fastify();
const sockets = await attach(app.server, {
  logger: false,
  static: fileURLToPath(new URL("../chat/public", import.meta.url)),
  routes: {
    "/news": {
      handler(event, bus) {
        if (event.type === "open") bus.unicast(`${bus.connections().length} here`, event.connection);
      },
    },
  },
});

app.post("/say", (request) => sockets.sendall(String(request.body)));
// What Fastify has no route for may be a file of ours.
app.setNotFoundHandler((request, reply) => {
  reply.hijack();
  sockets.middleware(request.raw, reply.raw, () => reply.raw.writeHead(404).end("there is no such page"));
});

await app.listen({ port: Number(process.env.PORT || 8080), host: "127.0.0.1" });
console.log(`Fastify: ${sockets.url.replace("ws", "http")}`);

// First everybody is told goodbye, while the host still answers, then the host goes.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await sockets.close();
    await app.close();
  });
