// @ts-check
/**
 * What is measured, and how it should come out. A scenario has a row for each setting that it is played in; a new one names
 * the role that the servers play (`servers/`), who takes part, the load's settings, and what is measured (`measures.js`).
 */
import { spawnSync } from "node:child_process";
import { arrival, departure, memoryPerConnection, perMessage, steadiness } from "./measures.js";

/**
 * @typedef {object} Row
 * @property {string} title
 * @property {string} role what each server of `servers/` is to do
 * @property {import("./load/main.js").Settings} settings of the load
 * @property {readonly string[]} peers besides sendall
 * @property {string} [dialect] what Sendall's clients speak, if not plain messages
 */

/**
 * @typedef {object} Goal what becomes of Sendall's figure when it is divided by another one
 * @property {string} metric
 * @property {number} [row] whose Sendall is meant; the first one by default
 * @property {string} peer whose figure it is divided by
 * @property {number} [of] in which row, if not in the same
 * @property {number} must
 * @property {number} want
 */

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {import("./measures.js").Measure} measure
 * @property {(isQuick: boolean) => readonly Row[]} rows
 * @property {readonly Goal[]} goals
 */

const ALL = ["ws", "socket.io", "sockjs", "bun"];
const WITH_ROOMS = ["ws", "socket.io", "bun"];
const NATIVE = ["ws", "bun"];

/** What rooms have in common. */
const ONE_ROOM = { rooms: 1, members: 1_000, talkers: 1, burst: 1, messageBytes: 64 };

/**
 * @param {string} title
 * @param {Partial<import("./load/rooms.js").RoomsSettings>} settings
 * @param {readonly string[]} peers
 * @param {string} [role]
 * @returns {Row}
 */
const room = (title, settings, peers, role = "room") => ({
  title,
  role,
  settings: { ...ONE_ROOM, ...settings },
  peers,
});

/**
 * @param {string} title
 * @param {number} sockets
 * @param {string} headers
 * @returns {Row}
 */
const crowd = (title, sockets, headers) => ({ title, role: "crowd", settings: { sockets, headers }, peers: ALL });

/** @param {boolean} isQuick */
const crowdSize = (isQuick) => (isQuick ? 1_000 : 10_000);

/** @param {number} members */
const busy = (members) => `${members.toLocaleString("en")} members, bursts of 16 × 64 B`;

/** Over which two nodes are joined. */
const ENGINES = ["nats", "redis"];

/** Whether both are there; else there are no nodes to be joined. */
function hasEngines() {
  const missing = ENGINES.filter((name) => spawnSync(`${name}-server`, ["--version"]).error !== undefined);
  for (const name of missing) console.error(`without cluster: ${name}-server is not installed`);
  return missing.length === 0;
}

/** @type {readonly Scenario[]} */
export const scenarios = [
  {
    name: "busy-room",
    measure: perMessage,
    rows: () => [room(busy(1_000), { burst: 16 }, ALL)],
    goals: [
      { metric: "cpu", peer: "ws", must: 1 / 10, want: 1 / 15 },
      { metric: "cpu", peer: "bun", must: 1.6, want: 1.2 },
    ],
  },
  {
    name: "sessions",
    measure: perMessage,
    rows: () => [
      { ...room(`${busy(1_000)}, each with a session`, { burst: 16 }, [], "session"), dialect: "session" },
      room(`${busy(1_000)}, plain`, { burst: 16 }, ["ws"]),
    ],
    goals: [{ metric: "cpu", peer: "sendall", of: 1, must: 1.15, want: 1.1 }],
  },
  {
    name: "many-talkers",
    measure: perMessage,
    rows: () => [room("1,000 members, 100 with a message each", { talkers: 100 }, ALL)],
    goals: [
      { metric: "cpu", peer: "ws", must: 1 / 8, want: 1 / 8 },
      { metric: "cpu", peer: "bun", must: Number.POSITIVE_INFINITY, want: 1.5 },
    ],
  },
  {
    name: "lone-talker",
    measure: perMessage,
    rows: () => [room("1,000 members, 1 × 64 B at a time", {}, ALL)],
    goals: [{ metric: "cpu", peer: "ws", must: 1, want: 0.8 }],
  },
  {
    name: "echo",
    measure: perMessage,
    rows: () => [
      room("100 sockets, 16 in flight each", { rooms: 100, members: 1, burst: 16, hasEcho: true }, ALL, "echo"),
    ],
    goals: [{ metric: "cpu", peer: "ws", must: 1 / 3, want: 1 / 5 }],
  },
  {
    name: "typed",
    measure: perMessage,
    rows: () => {
      const settings = { rooms: 100, members: 1, burst: 16, hasEcho: true };
      return [
        { ...room("echo of a protocol, schemas by hand", settings, [], "typed"), dialect: "typed" },
        { ...room("JSON.parse, the same checks by hand", settings, [], "by-hand"), dialect: "typed" },
        { ...room("echo of a protocol, schemas of zod", settings, [], "zod"), dialect: "typed" },
      ];
    },
    goals: [{ metric: "cpu", peer: "sendall", of: 1, must: 1.5, want: 1.25 }],
  },
  {
    name: "rooms",
    measure: perMessage,
    rows: (isQuick) => {
      const rooms = isQuick ? 50 : 100;
      return [room(`${rooms} rooms × 20, bursts of 16`, { rooms, members: 20, burst: 16 }, WITH_ROOMS, "rooms")];
    },
    goals: [{ metric: "cpu", peer: "ws", must: 1 / 4, want: 1 / 4 }],
  },
  {
    name: "big",
    measure: perMessage,
    rows: () => [room("64 KiB to 200 members", { members: 200, messageBytes: 65_536 }, ALL)],
    goals: [{ metric: "cpu", peer: "ws", must: 1.05, want: 1.05 }],
  },
  {
    name: "compressed",
    measure: perMessage,
    rows: () =>
      [1, 16].map((burst) =>
        room(
          `1 KiB of JSON to 500, ${burst} per turn`,
          { members: 500, messageBytes: 1_024, isJson: true, isDeflated: true, burst },
          NATIVE,
          "compressed",
        ),
      ),
    goals: [
      { metric: "cpu", peer: "ws", must: 1 / 6, want: 1 / 8 },
      { metric: "cpu", row: 1, peer: "ws", must: 1 / 30, want: 1 / 60 },
    ],
  },
  {
    name: "mixed",
    measure: perMessage,
    rows: () => [room("1,000 get a broadcast and a unicast", { copies: 2, hasEcho: true }, WITH_ROOMS, "mixed")],
    goals: [{ metric: "cpu", peer: "ws", must: 1 / 1.6, want: 1 / 1.6 }],
  },
  {
    name: "cluster",
    measure: perMessage,
    rows: () => {
      if (!hasEngines()) return [];
      // One talker at each node: the members are at the two in turn.
      const crowd = { members: 1_000, talkers: 2, burst: 16, hasEcho: true };
      const pair = { members: 2, talkers: 1, burst: 1, hasEcho: true };
      return [
        room("two nodes, NATS, 500 members each, 2 × 16", crowd, [], "nodes-nats"),
        room("two nodes, Redis, 500 members each, 2 × 16", crowd, ["socket.io"], "nodes-redis"),
        // What crossing adds to a lap.
        room("1 × 64 B to two members at one server", pair, ["socket.io"], "all"),
        room("1 × 64 B to members at two nodes, NATS", pair, [], "nodes-nats"),
        room("1 × 64 B to members at two nodes, Redis", pair, ["socket.io"], "nodes-redis"),
      ];
    },
    goals: [
      { metric: "cpu", peer: "socket.io", of: 1, must: 1 / 5, want: 1 / 8 },
      { metric: "cpu", row: 1, peer: "socket.io", must: 1 / 5, want: 1 / 8 },
    ],
  },
  {
    name: "idle",
    measure: memoryPerConnection,
    rows: (isQuick) => [crowd("silent, with a browser's headers", crowdSize(isQuick), "browser")],
    goals: [
      { metric: "rss", peer: "ws", must: 1.3, want: 1.1 },
      { metric: "rss", peer: "socket.io", must: 0.6, want: 0.6 },
    ],
  },
  {
    name: "accept",
    measure: arrival,
    rows: () => [crowd("1,000 connect, 100 at a time", 1_000, "browser")],
    goals: [{ metric: "perCpu", peer: "ws", must: 0.75, want: 0.95 }],
  },
  {
    name: "leave",
    measure: departure,
    rows: (isQuick) => [crowd("all disconnect at once", crowdSize(isQuick), "browser")],
    goals: [{ metric: "cpu", peer: "ws", must: 1.5, want: 1 }],
  },
  {
    name: "stalled",
    measure: steadiness,
    rows: () =>
      [0, 10].map((stalled) =>
        room(`1,000 members, ${stalled} of them stalled`, { stalled, burst: 4, messageBytes: 16_384 }, ["ws"]),
      ),
    goals: [
      { metric: "p99", row: 1, peer: "sendall", of: 0, must: 1.25, want: 1.25 },
      { metric: "rss", row: 1, peer: "sendall", of: 0, must: 1.2, want: 1.1 },
    ],
  },
  {
    name: "greedy",
    measure: steadiness,
    rows: () => {
      const settings = { rooms: 999, members: 1, burst: 1, hasEcho: true };
      return [
        room("999 sockets, budget of 1,000 a second", settings, [], "budget"),
        room("the same and one that floods", { ...settings, flooders: 1 }, [], "budget"),
        room("the same without a budget", { ...settings, flooders: 1 }, ["ws"], "echo"),
      ];
    },
    goals: [{ metric: "p99", row: 1, peer: "sendall", of: 0, must: 1.25, want: 1.1 }],
  },
  {
    name: "sockjs",
    measure: perMessage,
    rows: () =>
      [1, 16].map((burst) => ({
        ...room(`1,000 members by WebSocket, ${burst} × 64 B at once`, { burst }, ["sockjs"], "sockjs"),
        dialect: "sockjs",
      })),
    goals: [
      { metric: "cpu", peer: "sockjs", must: 1, want: 1 },
      { metric: "cpu", row: 1, peer: "sockjs", must: 1 / 8, want: 1 / 10 },
    ],
  },
  {
    name: "growth",
    measure: perMessage,
    rows: (isQuick) => {
      const most = isQuick ? 1_000 : 10_000;
      return [most / 10, most].map((members) => room(busy(members), { members, burst: 16 }, NATIVE));
    },
    goals: [
      { metric: "cpu", row: 1, peer: "sendall", of: 0, must: 1.5, want: 1 },
      { metric: "cpu", row: 1, peer: "ws", must: 1 / 8, want: 1 / 8 },
    ],
  },
];
