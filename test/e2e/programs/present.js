// @ts-check
/** A node of a cluster with presence: `node present.js nats nats://127.0.0.1:4222`. The room is "hall", the key is in the query of the address. */
import { serve } from "sendall";
import { nats } from "sendall/nats";
import { redis } from "sendall/redis";

const [, , engine, url = ""] = process.argv;

const server = await serve({
  port: 0,
  logger: false,
  cluster: engine === "nats" ? nats({ servers: url }) : redis({ url }),
  presence: { key: ({ query }) => query.get("name") ?? "" },
  handler(event) {
    if (event.type === "open") event.connection.join("hall");
  },
});
console.log(`Listening on ${server.url}`);
