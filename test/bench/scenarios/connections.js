// @ts-check
/** What connections cost that come, stay and go. */
import { arrival, departure, memoryPerConnection, nowAndThen } from "../measures.js";
import { crowd, crowdSize, room, WITH_ROOMS } from "./rows.js";

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
    name: "now-and-then",
    measure: nowAndThen,
    rows: (isQuick) => {
      const rooms = crowdSize(isQuick);
      const settings = { rooms, members: 1, hasEcho: true, headers: "browser" };
      return [
        room(`${rooms.toLocaleString("en")} sockets, 1,000 echoes a second`, settings, WITH_ROOMS, "now-and-then"),
      ];
    },
    goals: [],
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
