// @ts-check
// Hono: routes of Hono and sockets of Sendall on one port. `npm run example hono`
import { once } from "node:events";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { attach } from "sendall";

const app = new Hono();
app.get("/", (context) =>
  context.text(`${sockets.stats().connections} here\nTo come in: npx sendall connect ${sockets.url}echo\n`),
);

const host = createAdaptorServer({ fetch: app.fetch });
const sockets = await attach(host, {
  logger: false,
  routes: {
    "/echo": {
      handler(event, bus) {
        if (event.type === "message") bus.unicast(event.data, event.connection);
      },
    },
  },
});

host.listen(Number(process.env.PORT || 8080), "127.0.0.1");
await once(host, "listening");
console.log(`Hono: ${sockets.url.replace("ws", "http")}`);

// First the sockets are told goodbye, while the host still answers, then the host goes.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await sockets.close();
    host.close();
    // A browser keeps connections on which it has asked nothing yet, and close() waits for them.
    setTimeout(() => "closeAllConnections" in host && host.closeAllConnections(), 1000).unref();
  });
