// @ts-check
// SockJS: the test services that clients of SockJS are tried against, on port 8081, and a page to try the services.
// `npm run example sockjs`; in a page of yours: <script src="http://127.0.0.1:8081/client/sockjs.min.js"></script>, then
// new SockJS("http://127.0.0.1:8081/echo").
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { pageParts } from "../page/parts.js";

const CLIENT = "/client/sockjs.min.js";
const client = readFileSync(createRequire(import.meta.url).resolve("sockjs-client/dist/sockjs.min.js"));

/** @param {import("sendall").ServerEvent} event @param {import("sendall").Bus} bus */
function echo(event, bus) {
  if (event.type === "message") bus.unicast(event.text, event.connection);
}

const server = await serve({
  port: Number(process.env.PORT || 8081),
  static: fileURLToPath(new URL("public", import.meta.url)),
  // Pages from anywhere may try a client here. The transports that are scripts send no origin.
  origins: "any",
  // A page in a frame needs the same client as the page around the frame. The protocol's test suite still tries hixie-76.
  sockjs: { clientUrl: CLIENT, legacy: true },
  routes: {
    "/echo": { sockjs: { responseLimitBytes: 4_096 }, handler: echo },
    "/disabled_websocket_echo": { sockjs: { websocket: false }, handler: echo },
    "/cookie_needed_echo": { sockjs: { cookieNeeded: true }, handler: echo },
    "/close": {
      handler(event) {
        if (event.type === "open") event.connection.close(3000, "Go away!");
      },
    },
    // A number n from 1 to 18 comes back as 2 to the power of n times an x.
    "/amplify": {
      handler(event, bus) {
        if (event.type !== "message") return;
        const n = Math.trunc(Number(event.text));
        bus.unicast("x".repeat(2 ** (n >= 1 && n <= 18 ? n : 1)), event.connection);
      },
    },
    "/broadcast": {
      handler(event, bus) {
        if (event.type === "message") bus.sendall(event.text);
      },
    },
    "/ticker": {
      handler(event, bus) {
        // One alarm for each connection, which ends with the connection.
        if (event.type === "open" || event.type === "info") bus.after(1_000, "tick!", event.connection);
        if (event.type === "info" && event.connection) bus.unicast("tick!", event.connection);
      },
    },
  },
  async onRequest(request, response) {
    const isClient = request.url?.split("?")[0] === CLIENT;
    if (isClient) response.setHeader("Content-Type", "text/javascript; charset=utf-8").end(client);
    else await pageParts(request, response);
  },
});
console.log(`Sockjs: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
