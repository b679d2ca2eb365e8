// @ts-check
// Rooms: two nodes, who is in a room on either, and what was said there. `npm run example rooms` makes both nodes in this process;
// `npm run example rooms -- --engine nats` and `--engine redis` join them by an engine at its usual port, and so does an address,
// `--engine nats://10.0.0.7:4222`. NATS needs JetStream: `nats-server -js`.
import { createHash, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { reject, serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { bundle } from "./bundle.js";
import { joinInProcess, readEngine } from "./engines.js";
import { readMessage } from "./messages.js";

const port = Number(process.env.PORT || 8080);
/** How much of what was said a newcomer gets. */
const LAST_SAID = 30;
const DAY_MS = 86_400_000;

/**
 * What a connection knows of its person.
 * @typedef {{ key: string, room: string, name: string }} Person
 * @typedef {import("sendall").Connection<Person>} Connection
 * @typedef {import("sendall").Bus<Person>} Bus
 */

/**
 * @param {string} name
 * @param {number} port
 * @param {import("./engines.js").Joined} joined
 * @param {string} page the script of the page
 */
function startNode(name, port, { cluster, history }, page) {
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
      return { key: createHash("sha256").update(who).digest("base64url").slice(0, 16), room, name: "" };
    },
    // Every node tells its own members, whichever node the news comes from.
    presence: { key: ({ data }) => data.key, notice: (news) => JSON.stringify(news) },
    // All nodes send what was said in one order. A page remembers the position of what it got last, and goes on from there.
    history: {
      maxAgeMs: DAY_MS,
      stamp: (data, position) => JSON.stringify({ ...JSON.parse(String(data)), position }),
      ...history,
    },

    // A page sends {name, state, after} first of all, {name, state} whenever either changes, and {id, text} to say something.
    handler(event, bus) {
      if (event.type !== "message") return;
      const { connection } = event;
      const message = readMessage(event.text);
      if (message === undefined)
        bus.close(connection, 1008, "expected {name, state} with here, away or busy, or {id, text}");
      else if ("text" in message) say(connection, bus, message);
      else show(connection, bus, message, name);
    },
  });
}

/** @param {Connection} connection @param {Bus} bus @param {import("./messages.js").Shown} message @param {string} node */
function show(connection, bus, { after, ...person }, node) {
  const { key, room } = connection.data;
  const info = { ...person, node };
  connection.data.name = person.name;
  connection.show(info);
  // The others hear of a change by a notice, and whoever makes the change from here.
  if (connection.rooms.has(room)) connection.send(JSON.stringify({ type: "changed", key, info }));
  // Nobody waits for the engine: without it a person is in the room all the same.
  else void enter(connection, bus, after, node);
}

/**
 * What was said while a page was away, or the last that was said, then what comes.
 * @param {Connection} connection @param {Bus} bus @param {string | undefined} after the position of what the page got last @param {string} node
 */
async function enter(connection, bus, after, node) {
  try {
    if (after !== undefined) {
      const { outcome } = await follow(connection, bus, { after }, node);
      if (outcome === "complete" || outcome === "refused") return;
      // Something has gone, or nobody knows the position: between what the page shows and what it gets now messages may be missing.
      connection.send(JSON.stringify({ type: "hole" }));
      connection.leave(connection.data.room);
    }
    await follow(connection, bus, { last: LAST_SAID }, node);
  } catch {
    connection.send(JSON.stringify({ type: "no past" }));
  }
}

/** @param {Connection} connection @param {Bus} bus @param {import("sendall").FollowFrom} from @param {string} node */
function follow(connection, bus, from, node) {
  const { key, room } = connection.data;
  // Joins at once; the promise is for what was said.
  const following = connection.follow(room, from);
  // The notices tell what changes from here on, also those of the other node of whom this node has not heard yet.
  const list = { type: "list", you: key, room, node, other: other(node), people: bus.present(room) };
  connection.send(JSON.stringify(list));
  return following;
}

/** @param {Connection} connection @param {Bus} bus @param {import("./messages.js").Said} message */
function say(connection, bus, { id, text }) {
  const { key, name, room } = connection.data;
  const said = JSON.stringify({ type: "said", id, key, name, text, at: bus.now() });
  // It comes to all, its author too, when what puts the nodes' messages into one order has taken it.
  const isSent = connection.rooms.has(room) && bus.sendall(said, { room, keep: true }).forwarded === 1;
  if (!isSent) connection.send(JSON.stringify({ type: "not sent", id }));
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

/** @param {import("./engines.js").Engine | undefined} engine */
async function start(engine) {
  const join = engine?.join ?? joinInProcess();
  const page = await bundle(fileURLToPath(new URL("public/app.jsx", import.meta.url)));
  nodes.push(await startNode("first", port, await join(), page));
  nodes.push(await startNode("second", port && port + 1, await join(), page));
  for (const node of nodes) console.log(`Page: ${node.url.replace("ws", "http")}`);
  console.log(
    engine === undefined
      ? "Both nodes are in this process, and each keeps what it has heard. To join them by an engine: npm run example rooms -- --engine nats, or redis"
      : `The nodes are joined by ${engine.address}`,
  );
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, close);
}

/** @type {import("./engines.js").Engine | undefined} */
let engine;
try {
  engine = readEngine(process.argv.slice(2));
  await start(engine);
} catch (error) {
  await close();
  const text = error instanceof Error ? error.message : String(error);
  const isAway = engine !== undefined && text.includes("cannot connect");
  const hint = isAway
    ? `; start ${engine?.program} at ${engine?.address}, or leave out --engine for two nodes in this process`
    : "";
  console.error(`The rooms cannot start: ${text}${hint}`);
  // 2 as commands have it: something is wrong with what was asked for.
  process.exitCode = error instanceof RangeError ? 2 : 1;
}
