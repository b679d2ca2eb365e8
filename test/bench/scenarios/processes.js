// @ts-check
/** Servers that are several processes. */
import { spawnSync } from "node:child_process";
import { perMessage } from "../measures.js";
import { room } from "./rows.js";

/** Over which two nodes are joined. */
const ENGINES = ["nats", "redis"];

/** Whether both are there; else there are no nodes to be joined. */
function hasEngines() {
  const missing = ENGINES.filter((name) => spawnSync(`${name}-server`, ["--version"]).error !== undefined);
  for (const name of missing) console.error(`without cluster: ${name}-server is not installed`);
  return missing.length === 0;
}

/** One talker at each node: the members are at the two in turn. */
const CROWD = { members: 1_000, talkers: 2, burst: 16, hasEcho: true };
const PAIR = { members: 2, talkers: 1, burst: 1, hasEcho: true };
const TO_A_PAIR = "1 × 64 B to members at two";

/** @type {readonly import("./rows.js").Scenario[]} */
export const processes = [
  {
    name: "cluster",
    measure: perMessage,
    rows: () => {
      if (!hasEngines()) return [];
      return [
        room("two nodes, NATS, 500 members each, 2 × 16", CROWD, [], "nodes-nats"),
        room("two nodes, Redis, 500 members each, 2 × 16", CROWD, ["socket.io"], "nodes-redis"),
        // What crossing adds to a lap.
        room("1 × 64 B to two members at one server", PAIR, ["socket.io"], "all"),
        room(`${TO_A_PAIR} nodes, NATS`, PAIR, [], "nodes-nats"),
        room(`${TO_A_PAIR} nodes, Redis`, PAIR, ["socket.io"], "nodes-redis"),
      ];
    },
    goals: [
      { metric: "cpu", peer: "socket.io", of: 1, must: 1 / 5, want: 1 / 8 },
      { metric: "cpu", row: 1, peer: "socket.io", must: 1 / 5, want: 1 / 8 },
      { metric: "cpu", row: 4, peer: "socket.io", must: 0.8, want: 0.8 },
    ],
  },
  {
    name: "workers",
    measure: perMessage,
    // As `cluster`, on one port; connections go to the two in turn.
    rows: () => [
      room("two workers on one port, 500 members each, 2 × 16", CROWD, [], "workers"),
      room(`${TO_A_PAIR} workers on one port`, PAIR, [], "workers"),
    ],
    goals: [],
  },
];
