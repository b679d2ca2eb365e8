/** socket.io, by its documentation: an event is sent on to the room, or to all but its source. Over WebSocket alone. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { engineOf, leadNodes } from "./nodes.js";
import { certificate, chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

const roomOf = (socket) => socket.handshake.query.room;

const toOthers = (socket, data) => socket.broadcast.emit("m", data);

const toAll = (_socket, data) => io.emit("m", data);

const echo = (socket, data) => socket.emit("m", data);

const roles = {
  all: { onMessage: toAll },
  node: { onMessage: toAll },
  room: { onMessage: toOthers },
  crowd: { onMessage: toOthers },
  rooms: {
    onOpen: (socket) => socket.join(roomOf(socket)),
    onMessage: (socket, data) => socket.to(roomOf(socket)).emit("m", data),
  },
  echo: { onMessage: echo },
  "now-and-then": { onMessage: echo },
  mixed: {
    onMessage(_socket, data) {
      io.emit("m", data);
      for (const socket of io.sockets.sockets.values()) socket.emit("m", data);
    },
  },
};

/** A node's adapter, by the address of its engine: this program's second argument. */
function joinCluster() {
  const [, , , url] = process.argv;
  return url === undefined
    ? {}
    : { adapter: createAdapter(...[0, 1].map(() => new Redis(url).on("error", console.error))) };
}

let io;
async function start() {
  const { onOpen, onMessage } = chooseRole(roles);
  const http = certificate === undefined ? createServer() : createSecureServer(certificate);
  // No pings within a run: the load counts bytes.
  io = new Server(http, { transports: ["websocket"], pingInterval: 3_600_000, serveClient: false, ...joinCluster() });
  io.on("connection", (socket) => {
    presence.came();
    socket.on("disconnect", presence.left);
    socket.on("m", (data) => onMessage(socket, data));
    onOpen?.(socket);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  tell(() => http.address().port);
}

const engine = engineOf();
if (engine === undefined) await start();
else await leadNodes(import.meta.url, engine);
