// @ts-check
/** Sendall under load: each role as its users would write it, with default options but for what the other peers lack. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

// The benchmark is a package of its own: Sendall is the one around it.
const entry = createRequire(new URL("../../../package.json", import.meta.url)).resolve("sendall");
/** @type {typeof import("sendall")} */
const { serve } = await import(pathToFileURL(entry).href);

/**
 * @typedef {object} Role
 * @property {(event: import("sendall").ServerEvent & { type: "message" }, bus: import("sendall").Bus) => void} onMessage
 * @property {(connection: import("sendall").Connection) => void} [onOpen]
 * @property {{ readonly compression?: boolean, readonly heartbeat?: object }} [options]
 */

const roomOf = (/** @type {import("sendall").Connection} */ connection) => connection.query.get("room") ?? "";

/** @type {Role["onMessage"]} */
const broadcast = ({ data, connection }, bus) => {
  bus.broadcast(data, connection);
};

/** @type {Record<string, Role>} */
const roles = {
  room: { onMessage: broadcast },
  // Nothing is sent to them within a run, so they have the heartbeat that everybody has by default.
  crowd: { onMessage: broadcast, options: { heartbeat: {} } },
  compressed: { onMessage: broadcast, options: { compression: true } },
  rooms: {
    onOpen: (connection) => {
      connection.join(roomOf(connection));
    },
    onMessage({ data, connection }, bus) {
      bus.broadcast(data, connection, { room: roomOf(connection) });
    },
  },
  echo: {
    onMessage({ data, connection }) {
      connection.send(data);
    },
  },
  mixed: {
    onMessage({ data }, bus) {
      bus.sendall(data);
      for (const connection of bus.connections()) connection.send(data);
    },
  },
};

const { onOpen, onMessage, options } = chooseRole(roles);
const server = await serve({
  port: 0,
  logger: false,
  // Plain ws has none, and the load counts bytes: a ping would be taken for a part of a message.
  heartbeat: false,
  ...options,
  handler(event, bus) {
    switch (event.type) {
      case "open":
        presence.came();
        onOpen?.(event.connection);
        break;
      case "message":
        onMessage(event, bus);
        break;
      case "closed":
        presence.left();
        break;
    }
  },
});
tell(() => server.port);
