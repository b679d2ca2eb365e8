/** sockjs-node, by its documentation: a list of connections, and a loop over it. */

import { once } from "node:events";
import { createServer } from "node:http";
import sockjs from "sockjs";
import { chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

const connections = new Set();

function toOthers(source, data) {
  for (const connection of connections) if (connection !== source) connection.write(data);
}

const roles = {
  room: { onMessage: toOthers },
  crowd: { onMessage: toOthers },
  sockjs: { onMessage: toOthers },
  echo: { onMessage: (source, data) => source.write(data) },
};

const { onMessage } = chooseRole(roles);
// No heartbeats within a run: the load counts what comes.
const echo = sockjs.createServer({ log: () => {}, heartbeat_delay: 3_600_000 });
echo.on("connection", (connection) => {
  presence.came();
  connections.add(connection);
  connection.on("data", (data) => onMessage(connection, data));
  connection.on("close", () => {
    connections.delete(connection);
    presence.left();
  });
});
const http = createServer();
echo.installHandlers(http, { prefix: "/room" });
http.listen(0, "127.0.0.1");
await once(http, "listening");
tell(() => http.address().port);
