// @ts-check
// Rooms: two nodes, and who is in a room on either. `npm run example rooms` makes both in this process; `npm run example rooms nats` and
// `npm run example rooms redis` join them by an engine at its usual port, and so does an address, `npm run example rooms nats://10.0.0.7:4222`.
import { createHash, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { reject, serve } from "sendall";
import { memory } from "sendall/testing/cluster-adapter";
import { pageParts } from "../page/parts.js";
import { bundle } from "./bundle.js";

const port = Number(process.env.PORT || 8080);
const [engine] = process.argv.slice(2);
const usual = new Map([
  ["nats", "nats://127.0.0.1:4222"],
  ["redis", "redis://127.0.0.1:6379"],
]);
const states = ["here", "away", "busy"];

/** @param {string} engine a name, or an address itself */
function addressOf(engine) {
  return usual.get(engine) ?? engine;
}

/** Each node has an adapter of its own, as it would on a machine of its own. @returns {Promise<() => import("sendall").ClusterAdapter>} */
async function adapters() {
  if (engine === undefined) {
    const inProcess = memory();
    return () => inProcess;
  }
  const address = addressOf(engine);
  if (/^nats:\/\//.test(address)) {
    const { nats } = await import("sendall/nats");
    return () => nats({ servers: address });
  }
  if (/^rediss?:\/\//.test(address)) {
    const { redis } = await import("sendall/redis");
    return () => redis({ url: address });
  }
  throw new Error(`expected nats, redis, nats://…, redis://… or nothing, got ${engine}`);
}

/**
 * @param {string} name
 * @param {number} port
 * @param {import("sendall").ClusterAdapter} cluster
 * @param {string} page the script of the page
 */
function startNode(name, port, cluster, page) {
  return serve({
    name,
    port,
    cluster,
    static: fileURLToPath(new URL("public", import.meta.url)),
    onRequest(request, response) {
      if (request.url !== "/app.js") {
        pageParts(request, response);
        return;
      }
      const head = { "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "no-cache" };
      response.writeHead(200, head).end(page);
    },

    // A page keeps a secret, `who`. Others get to know a key that is made from the secret, and cannot pretend to be that person.
    authorize({ query }) {
      const who = query.get("who") ?? randomUUID();
      if (!/^[\w-]{16,64}$/.test(who)) return reject(400, "who: expected 16 to 64 letters, digits or hyphens");
      const room = query.get("room") ?? "lobby";
      if (!/^[\w-]{1,32}$/.test(room)) return reject(400, "room: expected 1 to 32 letters, digits or hyphens");
      return { key: createHash("sha256").update(who).digest("base64url").slice(0, 16), room };
    },
    // Every node tells its own members, whichever node the news comes from.
    presence: { key: ({ data }) => data.key, notice: (news) => JSON.stringify(news) },

    // A page sends {name, state}: first of all, and whenever either changes.
    handler(event, bus) {
      if (event.type !== "message") return undefined;
      const { connection } = event;
      const person = readPerson(event.text);
      if (person === undefined)
        return bus.close(connection, 1008, `expected {name, state}, state: ${states.join(", ")}`);
      const { key, room } = connection.data;
      const info = { ...person, node: name };
      connection.show(info);
      // The others hear of a change by a notice, and whoever makes the change from here.
      const isNew = connection.join(room);
      if (!isNew) return bus.unicast(JSON.stringify({ type: "changed", key, info }), connection);
      // The notices tell what changes from here on, also those of the other node of whom this node has not heard yet.
      const list = { type: "list", you: key, room, node: name, other: other(name), people: bus.present(room) };
      return bus.unicast(JSON.stringify(list), connection);
    },
  });
}

/** What people write: short, in one line, without invisible characters. @param {string} json */
function readPerson(json) {
  try {
    const { name, state } = JSON.parse(json);
    const tidy = name
      .normalize("NFKC")
      .replace(/(?!\s)\p{C}/gu, "")
      .replace(/\s+/gu, " ")
      .trim();
    return tidy !== "" && tidy.length <= 24 && states.includes(state) ? { name: tidy, state } : undefined;
  } catch {
    return undefined;
  }
}

/** @type {import("sendall").Server[]} */
const nodes = [];

/** The other node, for a link. @param {string} name */
function other(name) {
  const [first, second] = nodes;
  return name === "first" ? { name: "second", port: second?.port } : { name: "first", port: first?.port };
}

async function close() {
  await Promise.all(nodes.map((node) => node.close()));
}

try {
  const adapter = await adapters();
  const page = await bundle(fileURLToPath(new URL("public/app.jsx", import.meta.url)));
  nodes.push(await startNode("first", port, adapter(), page));
  nodes.push(await startNode("second", port && port + 1, adapter(), page));
} catch (error) {
  await close();
  const text = error instanceof Error ? error.message : String(error);
  if (engine === undefined || !text.includes("cannot connect")) throw error;
  const address = addressOf(engine);
  const program = address.startsWith("redis") ? "redis-server" : "nats-server";
  throw new Error(`${text}; start ${program} at ${address}, or leave out ${engine} for two nodes in this process`);
}
for (const node of nodes) console.log(`Page: ${node.url.replace("ws", "http")}`);
console.log(
  engine === undefined
    ? "Both nodes are in this process. To join them by an engine: npm run example rooms nats, or redis"
    : `The nodes are joined by ${addressOf(engine)}`,
);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, close);
