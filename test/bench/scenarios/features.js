// @ts-check
/** What sessions, protocols, SockJS and bounds cost, beside the same load without them. */
import { perMessage, steadiness } from "../measures.js";
import { busy, ECHO, room } from "./rows.js";

/** @type {readonly import("./rows.js").Scenario[]} */
export const features = [
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
    name: "typed",
    measure: perMessage,
    rows: () => [
      { ...room("echo of a protocol, schemas by hand", ECHO, [], "typed"), dialect: "typed" },
      { ...room("JSON.parse, the same checks by hand", ECHO, [], "by-hand"), dialect: "typed" },
      { ...room("echo of a protocol, schemas of zod", ECHO, [], "zod"), dialect: "typed" },
    ],
    goals: [{ metric: "cpu", peer: "sendall", of: 1, must: 1.5, want: 1.25 }],
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
];
