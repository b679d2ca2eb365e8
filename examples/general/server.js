// @ts-check
// General: prints each event with its fields. `npm run example general`
// A client may choose two alarms in its address: ?idle=500 rings after 500 ms without a message, ?after=500 rings 500 ms after the
// connection has opened.
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage(
    "General",
    "The terminal shows each event. With ?idle=500 in the address of this page, the server asks after 500 ms of silence.",
  ),
  // The handler prints what there is to see.
  logger: false,
  handler(event, bus) {
    switch (event.type) {
      case "open": {
        const { id, path, query, remoteAddress, remotePort, origin } = event.connection;
        print(id, "open", { path, query: `${query}`, from: `${remoteAddress}:${remotePort}`, origin });
        // Silence comes back as `idle`; each message starts the wait anew.
        event.connection.idle(Number(query.get("idle")) || 10_000);
        // An alarm about this connection, which is dropped when the connection has gone.
        bus.after(Number(query.get("after")) || 5_000, "you are still here", event.connection);
        // A message to the handler itself, about no connection: comes after the events that wait already.
        bus.tell({ connections: bus.connections().length });
        break;
      }
      case "message":
        print(event.connection.id, "message", { data: event.data, text: event.text });
        bus.unicast(`got ${event.text.length} characters`, event.connection);
        break;
      case "info":
        print(event.connection?.id, "info", { data: event.data });
        if (event.connection) bus.unicast(String(event.data), event.connection);
        break;
      case "idle":
        print(event.connection.id, "idle", {});
        bus.unicast("are you asleep?", event.connection);
        break;
      case "error":
        print(event.connection.id, "error", { error: event.error.message });
        break;
      case "closed": {
        const { connection, code, reason, wasClean, by } = event;
        print(connection.id, "closed", { code, reason, wasClean, by });
      }
    }
  },
});
console.log(`General: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

/** @param {string | undefined} id @param {string} type @param {object} facts */
function print(id = "-", type, facts) {
  console.log(id.slice(0, 8), type, facts);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
