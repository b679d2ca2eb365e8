// @ts-check
/** Plain `ws`: each role as its own documentation and every tutorial have it, a loop over the clients. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createRequire } from "node:module";
import { certificate, chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";

// The version that Sendall stands on: among the peers' packages lies an older one, which others of them have brought along.
/** @type {typeof import("ws")} */
const { WebSocket, WebSocketServer } = createRequire(new URL("../../../package.json", import.meta.url))("ws");

/** @typedef {import("ws").WebSocket} WebSocket */
/** @typedef {import("ws").WebSocketServer} WebSocketServer */
/** @typedef {(data: import("ws").RawData, binary: boolean, source: WebSocket) => void} OnMessage */

/**
 * @param {Iterable<WebSocket>} clients
 * @returns {OnMessage}
 */
const toOthers = (clients) => (data, binary, source) => {
  for (const client of clients)
    if (client !== source && client.readyState === WebSocket.OPEN) client.send(data, { binary });
};

/** @type {Map<string, Set<WebSocket>>} */
const rooms = new Map();

/**
 * @param {WebSocket} ws
 * @param {string} name
 */
function join(ws, name) {
  const members = rooms.get(name) ?? new Set();
  rooms.set(name, members.add(ws));
  ws.on("close", () => members.delete(ws));
  ws.on("message", (data, binary) => toOthers(members)(data, binary, ws));
}

/**
 * @typedef {object} Role
 * @property {(wss: WebSocketServer) => OnMessage} [onMessage]
 * @property {(ws: WebSocket, room: string) => void} [onOpen]
 * @property {import("ws").ServerOptions} [options]
 */

/** @type {() => OnMessage} */
const echo = () => (data, binary, source) => source.send(data, { binary });

/** @type {Record<string, Role>} */
const roles = {
  room: { onMessage: (wss) => toOthers(wss.clients) },
  crowd: { onMessage: (wss) => toOthers(wss.clients) },
  compressed: { onMessage: (wss) => toOthers(wss.clients), options: { perMessageDeflate: true } },
  rooms: { onOpen: join },
  echo: { onMessage: echo },
  "now-and-then": { onMessage: echo },
  mixed: {
    onMessage: (wss) => (data, binary) => {
      for (const client of wss.clients) if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
      for (const client of wss.clients) if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
    },
  },
};

const role = chooseRole(roles);
const http = certificate === undefined ? createServer() : createSecureServer(certificate);
const wss = new WebSocketServer({ server: http, ...role.options });
const onMessage = role.onMessage?.(wss);
wss.on("connection", (ws, request) => {
  presence.came();
  ws.on("error", console.error);
  ws.on("close", presence.left);
  if (onMessage !== undefined) ws.on("message", (data, binary) => onMessage(data, binary, ws));
  role.onOpen?.(ws, new URL(request.url ?? "/", "ws://localhost").searchParams.get("room") ?? "");
});
http.listen(0, "127.0.0.1");
await once(http, "listening");
tell(() => {
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
});
