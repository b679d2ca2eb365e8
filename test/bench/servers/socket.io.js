/** socket.io, by its documentation: an event is sent on to the room, or to all but its source. Over WebSocket alone. */
import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

const roomOf = (socket) => socket.handshake.query.room;

const toOthers = (socket, data) => socket.broadcast.emit("m", data);

const roles = {
  room: { onMessage: toOthers },
  crowd: { onMessage: toOthers },
  rooms: {
    onOpen: (socket) => socket.join(roomOf(socket)),
    onMessage: (socket, data) => socket.to(roomOf(socket)).emit("m", data),
  },
  echo: { onMessage: (socket, data) => socket.emit("m", data) },
  mixed: {
    onMessage(_socket, data) {
      io.emit("m", data);
      for (const socket of io.sockets.sockets.values()) socket.emit("m", data);
    },
  },
};

const { onOpen, onMessage } = chooseRole(roles);
// No pings within a run: the load counts bytes.
const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 3_600_000, serveClient: false });
io.on("connection", (socket) => {
  presence.came();
  socket.on("disconnect", presence.left);
  socket.on("m", (data) => onMessage(socket, data));
  onOpen?.(socket);
});
http.listen(0, "127.0.0.1");
await once(http, "listening");
tell(() => http.address().port);
