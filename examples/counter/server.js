// @ts-check
// Counter: counts the messages of all connections, and sends the count to all. `npm run example counter`
// The count is the handler's state: `handle` gets the count with each event and returns the next count, so no global is needed.
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage("Counter", "The server counts the messages of all connections. Open this page in two windows."),
  handler: {
    init: () => 0,

    handle(event, count, bus) {
      switch (event.type) {
        case "open":
          bus.unicast(`${count} so far`, event.connection);
          return count;
        case "message":
          bus.sendall(`${count + 1}`);
          return count + 1;
        default:
          return count;
      }
    },

    stop(count) {
      console.log(`Counted ${count}`);
    },
  },
});
console.log(`Counter: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
