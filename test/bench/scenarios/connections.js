// @ts-check
/** What connections cost that come, stay and go. */
import { arrival, departure, memoryPerConnection } from "../measures.js";
import { crowd, crowdSize } from "./rows.js";

/** @type {readonly import("./rows.js").Scenario[]} */
export const connections = [
  {
    name: "idle",
    measure: memoryPerConnection,
    rows: (isQuick) => [crowd("silent, with a browser's headers", crowdSize(isQuick))],
    goals: [
      { metric: "rss", peer: "ws", must: 1.15, want: 1.05 },
      { metric: "rss", peer: "socket.io", must: 0.6, want: 0.6 },
    ],
  },
  {
    name: "accept",
    measure: arrival,
    rows: () => [crowd("1,000 connect, 100 at a time", 1_000)],
    goals: [{ metric: "cpu", peer: "ws", must: 1.1, want: 1 }],
  },
  {
    name: "leave",
    measure: departure,
    rows: (isQuick) => [crowd("all disconnect at once", crowdSize(isQuick))],
    goals: [{ metric: "cpu", peer: "ws", must: 1.5, want: 1 }],
  },
];
