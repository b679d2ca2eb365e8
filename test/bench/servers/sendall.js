// @ts-check
/** Sendall under load: each role as its users would write it, with default options but for what the other peers lack. */
import cluster from "node:cluster";
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { engineOf, leadNodes, leadWorkers } from "./nodes.js";
import { certificate, chooseRole } from "./role.js";
import { presence, tell } from "./tell.js";
import { isSaying, typedHandlers } from "./typed.js";

// The benchmark is a package of its own: Sendall is the one around it.
const require = createRequire(new URL("../../../package.json", import.meta.url));
/** @param {string} name */
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
/** @type {typeof import("sendall")} */
const { serve } = await load("sendall");

/**
 * @typedef {object} Role
 * @property {(event: import("sendall").ServerEvent & { type: "message" }, bus: import("sendall").Bus) => void} [onMessage]
 * @property {() => Promise<import("sendall").Handler>} [handler] in place of `onMessage` and `onOpen`
 * @property {(connection: import("sendall").Connection) => void} [onOpen]
 * @property {{ readonly compression?: boolean, readonly heartbeat?: object, readonly resume?: boolean, readonly budget?: Partial<import("sendall").BudgetOptions>, readonly sockjs?: Partial<import("sendall").SockJsOptions>, readonly cluster?: import("sendall").ClusterAdapter }} [options]
 */

const roomOf = (/** @type {import("sendall").Connection} */ connection) => connection.query.get("room") ?? "";

/** @type {NonNullable<Role["onMessage"]>} */
const broadcast = ({ data, connection }, bus) => {
  bus.broadcast(data, connection);
};

/** @type {NonNullable<Role["onMessage"]>} */
const echo = ({ data, connection }) => {
  connection.send(data);
};

/** A node's adapter: of the workers, or by the address of its engine, this program's second argument. */
async function joinCluster() {
  const [, , role, url] = process.argv;
  if (role === "workers") return { cluster: (await load("sendall/workers")).workers() };
  if (url === undefined) return {};
  const { nats, redis } = { ...(await load("sendall/nats")), ...(await load("sendall/redis")) };
  return { cluster: url.startsWith("redis:") ? redis({ url }) : nats({ servers: url }) };
}

/** @type {NonNullable<Role["onMessage"]>} */
const toAll = ({ data }, bus) => {
  bus.sendall(data);
};

// The primary process of workers joins, too, since it passes their messages on.
const joined = await joinCluster();

/** @type {Record<string, Role>} */
const roles = {
  all: { onMessage: toAll },
  node: { onMessage: toAll, options: joined },
  workers: { onMessage: toAll, options: joined },
  room: { onMessage: broadcast },
  session: { onMessage: broadcast, options: { resume: true } },
  // Nothing is sent to them within a run, so they have the heartbeat that everybody has by default.
  crowd: { onMessage: broadcast, options: { heartbeat: {} } },
  compressed: { onMessage: broadcast, options: { compression: true } },
  // No heartbeats within a run here either: they are sent to whom nothing else is, as the talker.
  sockjs: { onMessage: broadcast, options: { sockjs: { heartbeatIntervalMs: 3_600_000 } } },
  rooms: {
    onOpen: (connection) => {
      connection.join(roomOf(connection));
    },
    onMessage({ data, connection }, bus) {
      bus.broadcast(data, connection, { room: roomOf(connection) });
    },
  },
  echo: { onMessage: echo },
  // With a heartbeat, as by default; but nobody is silent for so long that a ping would come.
  "now-and-then": { onMessage: echo, options: { heartbeat: { intervalMs: 60_000 } } },
  // More than a member of the load asks for, and far less than a flooder does.
  budget: { onMessage: echo, options: { budget: { messagesPerSecond: 1_000, burstSeconds: 1 } } },
  // What `typed` does, as a program without a protocol does it.
  "by-hand": {
    onMessage({ data, connection }) {
      if (typeof data !== "string") return;
      const [name, payload] = JSON.parse(data);
      if (name !== "say" || !isSaying(payload)) return;
      connection.send(JSON.stringify(["said", payload]));
    },
  },
  typed: { handler: async () => (await typedHandlers(load)).byHand },
  zod: { handler: async () => (await typedHandlers(load)).zod },
  mixed: {
    onMessage({ data }, bus) {
      bus.sendall(data);
      for (const connection of bus.connections()) connection.send(data);
    },
  },
};

/** What a node with connections hears: what is meant for itself, and for its only route. */
const NODE_AND_ROUTE = 2;

async function start() {
  const { onOpen, onMessage, handler, options } = chooseRole(roles);
  /** @type {import("sendall").HandlerFunction} */
  const onEvent = (event, bus) => {
    switch (event.type) {
      case "open":
        presence.came();
        onOpen?.(event.connection);
        break;
      case "message":
        onMessage?.(event, bus);
        break;
      case "closed":
        presence.left();
        break;
    }
  };
  const server = await serve({
    port: 0,
    logger: false,
    // Plain ws has none, and the load counts bytes: a ping would be taken for a part of a message.
    heartbeat: false,
    ...(certificate && { tls: { cert: certificate.cert, key: certificate.key } }),
    ...options,
    handler: (await handler?.()) ?? onEvent,
  });
  const hears = () => (server.stats().cluster?.subscriptions ?? NODE_AND_ROUTE) >= NODE_AND_ROUTE;
  tell(
    () => server.port,
    async () => {
      while (!hears()) await setImmediate();
    },
  );
}

const engine = engineOf();
if (engine !== undefined) await leadNodes(import.meta.url, engine);
else if (cluster.isPrimary && joined.cluster?.name === "workers") leadWorkers();
else await start();
