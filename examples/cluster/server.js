// @ts-check
// Cluster: two chat servers on two ports, one room. `npm run example cluster`
// The servers could as well run on two machines: they share nothing but the engine. Start an engine first: `nats-server`, or
// `redis-server` with ENGINE=redis://127.0.0.1:6379. Then open both pages.
import { serve } from "sendall";
import { nats } from "sendall/nats";
import { redis } from "sendall/redis";
import { tryPage } from "../page/parts.js";

const engine = process.env.ENGINE || "nats://127.0.0.1:4222";
const port = Number(process.env.PORT || 8080);

/** @param {string} name @param {number} port */
function startChat(name, port) {
  return serve({
    name,
    port,
    client: "/sendall/client.js",
    onRequest: tryPage(`Cluster: ${name}`, "Say something: the clients of the other server hear you, too."),
    // Each server has an adapter of its own, as it would on a machine of its own.
    cluster: engine.startsWith("redis") ? redis({ url: engine }) : nats({ servers: engine }),

    handler(event, bus) {
      const { connection } = event;
      if (connection === undefined) return;
      switch (event.type) {
        case "open":
          bus.join(connection, "lobby");
          bus.unicast(`welcome to ${name}`, connection);
          break;
        case "message":
          // To all in the lobby but the author, wherever they are.
          bus.broadcast(`${name}: ${event.text}`, connection, { room: "lobby" });
          break;
        case "closed":
          bus.sendall(`${name}: somebody left`, { room: "lobby" });
          break;
      }
    },
  });
}

const first = await startChat("first", port);
const second = await startChat("second", port && port + 1);
console.log(`Second: ${second.url}`);
console.log(`First: ${first.url}`);
for (const { url } of [first, second]) console.log(`Page: ${url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    first.close();
    second.close();
  });
