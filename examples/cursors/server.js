// @ts-check
// Cursors: each page shows the pointers of the other pages, over SockJS. `npm run example cursors`, then open the page in two windows.
// ?transport=xhr-polling in the page's address chooses the transport.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { route, serve } from "sendall";
import { pageParts } from "../page/parts.js";

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
      // A slow reader misses places and stays connected: only the newest place matters.
      outbox: { maxBufferedBytes: 65_536, slowConsumer: "dropOldest" },
      // A number for the other pages; the connection's id stays secret.
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
  async onRequest(request, response) {
    const isClient = request.url?.split("?")[0] === CLIENT;
    if (isClient) response.setHeader("Content-Type", "text/javascript; charset=utf-8").end(client);
    else await pageParts(request, response);
  },
});
console.log(`Cursors: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
