// @ts-check
/** Sendall under load: each role as its users would write it, with default options but for what the other peers lack. */
import { serve } from "sendall";
import { answer } from "../answers.js";
import { chooseRole } from "./role.js";

/** @type {Record<string, import("sendall").Handler>} */
const roles = {
  broadcast(event, bus) {
    if (event.type === "message") bus.broadcast(event.data, event.connection);
  },
};

const server = await serve({
  port: 0,
  handler: chooseRole(roles),
  logger: false,
  // Plain ws has none, and the load counts bytes: a ping would be taken for a part of a message.
  heartbeat: false,
});

/** @type {import("../peers.js").ServerAnswers} */
const answers = { port: () => server.port, cpu: () => process.cpuUsage() };
answer(answers);
