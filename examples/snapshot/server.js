// @ts-check
// Snapshot: shows what a server is doing, at /snapshot. `npm run example snapshot`
// A message that is a number keeps the handler busy for so many milliseconds, while the messages of everybody else wait.
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const page = tryPage(
  "Snapshot",
  "Send 5000: the handler is busy for five seconds. In the meantime, open /snapshot in another window, and again a second later.",
);

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  async onRequest(request, response) {
    if (request.url !== "/snapshot") return page(request, response);
    // For your own eyes: ids, addresses and names of rooms are in a snapshot, so a server for strangers asks who wants to know.
    const snapshot = await server.snapshot({ top: 5 });
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(snapshot, undefined, 2));
  },
  async handler(event, bus) {
    if (event.type === "open") event.connection.join("everybody");
    if (event.type !== "message") return;
    const ms = Number(event.text);
    if (ms > 0 && ms <= 10_000) await bus.sleep(ms);
    bus.unicast(`done: ${event.text}`, event.connection);
  },
});
console.log(`Snapshot: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
