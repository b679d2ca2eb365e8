// @ts-check
// Cursors: everybody sees everybody's pointer, over SockJS. `npm run example cursors`, then open the page in two windows.
// ?transport=xhr-polling in the page's address makes its client use that transport.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { route, serve } from "sendall";

const CLIENT = "/client/sockjs.min.js";
const client = readFileSync(createRequire(import.meta.url).resolve("sockjs-client/dist/sockjs.min.js"));

/** A place on the page, in parts of its width and height; `undefined` if the text does not say one. @param {string} text */
function readPlace(text) {
  try {
    const { x, y } = JSON.parse(text);
    const isPart = (/** @type {unknown} */ n) => typeof n === "number" && n >= 0 && n <= 1;
    return isPart(x) && isPart(y) ? { x, y } : undefined;
  } catch {
    return undefined;
  }
}

let guests = 0;

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  routes: {
    "/cursors": route({
      sockjs: { clientUrl: CLIENT },
      // Who reads slowly misses places, not the connection: the newest is all that matters.
      outbox: { maxBufferedBytes: 65_536, slowConsumer: "dropOldest" },
      // A number that others may see: the connection's id is nobody's business.
      authorize: () => ({ who: ++guests }),
      handler(event, bus) {
        if (event.type === "message") {
          const place = readPlace(event.text);
          const { who } = event.connection.data;
          if (place) bus.broadcast(JSON.stringify({ type: "move", who, ...place }), event.connection);
        }
        if (event.type === "closed") bus.sendall(JSON.stringify({ type: "left", who: event.connection.data.who }));
        if (event.type === "open" || event.type === "closed")
          bus.sendall(JSON.stringify({ type: "count", count: bus.connections().length }));
      },
    }),
  },
  onRequest(request, response) {
    const isClient = request.url?.split("?")[0] === CLIENT;
    if (isClient) response.setHeader("Content-Type", "text/javascript; charset=utf-8").end(client);
    else response.writeHead(404).end("there is no such page\n");
  },
});
console.log(`Cursors: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
