// @ts-check
// Echo: each message goes back to its sender, text as text and bytes as bytes. `npm run example echo`
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  // A browser gets a page to try the server.
  client: "/sendall/client.js",
  onRequest: tryPage("Echo", "Each message comes back to you."),
  handler(event, bus) {
    if (event.type === "message") bus.unicast(event.data, event.connection);
  },
});
console.log(`Echo: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
