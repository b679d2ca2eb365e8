// @ts-check
// Counter: counts the messages of all connections and tells everybody. `npm run example counter`
// The count is the handler's state: each event gets it and returns the next one, so there is no global to guard.
import { serve } from "sendall";

const server = await serve({
  port: Number(process.env.PORT || 8080),
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

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
