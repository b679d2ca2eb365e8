/** Bun's own server, which is uWebSockets: by its documentation, with its native publish. Run by Bun. */
import { certificate, chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

const clients = new Set();

const publish = (ws, message) => ws.publish(ws.data.room, message, isCompressed);

const echo = (ws, message) => ws.send(message);

const roles = {
  room: { onMessage: publish },
  crowd: { onMessage: publish },
  compressed: { onMessage: publish, isCompressed: true },
  rooms: { onMessage: publish, hasRooms: true },
  echo: { onMessage: echo },
  "now-and-then": { onMessage: echo },
  mixed: {
    onMessage(_ws, message) {
      server.publish("all", message);
      for (const client of clients) client.send(message);
    },
  },
};

const { onMessage, isCompressed = false, hasRooms = false } = chooseRole(roles);
const server = globalThis.Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: certificate && { cert: certificate.cert, key: certificate.key },
  fetch(request, host) {
    const room = hasRooms ? new URL(request.url).searchParams.get("room") : "all";
    return host.upgrade(request, { data: { room } }) ? undefined : new Response("upgrades only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: isCompressed,
    // It knows no other way to leave out pings, which the load would count.
    idleTimeout: 0,
    sendPings: false,
    open(ws) {
      presence.came();
      clients.add(ws);
      ws.subscribe(ws.data.room);
    },
    message: onMessage,
    close(ws) {
      clients.delete(ws);
      presence.left();
    },
  },
});
tell(() => server.port);
