// @ts-check
/** Plain `ws`: each role as its own documentation and every tutorial have it, a loop over the clients. */
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { answer } from "../answers.js";
import { chooseRole } from "./role.js";

/** @typedef {(data: import("ws").RawData, binary: boolean, source: WebSocket) => void} OnMessage */

const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });

/** @type {Record<string, OnMessage>} */
const roles = {
  broadcast(data, binary, source) {
    for (const client of wss.clients)
      if (client !== source && client.readyState === WebSocket.OPEN) client.send(data, { binary });
  },
};

const onMessage = chooseRole(roles);
wss.on("connection", (ws) => {
  ws.on("error", console.error);
  ws.on("message", (data, binary) => onMessage(data, binary, ws));
});
await once(wss, "listening");

/** @type {import("../peers.js").ServerAnswers} */
const answers = {
  port() {
    const address = wss.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return address.port;
  },
  cpu: () => process.cpuUsage(),
};
answer(answers);
