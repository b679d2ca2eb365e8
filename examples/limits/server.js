// @ts-check
// Limits: who sends more than two messages a second is slowed down, and loses nothing. Hold the Enter key on the page, and look at the
// times of the answers; a second window of the same browser shares the budget. `npm run example limits`
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage(
    "Limits",
    "Send ten lines at once: after the first four, two a second are answered, and none is lost.",
  ),
  budget: {
    messagesPerSecond: 2,
    burstSeconds: 2,
    // All connections of an address together. With logins the name of the user would be the better key.
    key: (connection) => connection.remoteAddress,
  },
  upgradesPerSecond: 50,
  handler(event, bus) {
    if (event.type === "message")
      bus.unicast(`${new Date().toISOString().slice(17, 23)} ${event.text}`, event.connection);
  },
});
console.log(`Limits: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
