// @ts-check
/** What a message costs, by how many there are at once, how large they are, and to whom they go. */
import { latency, perMessage } from "../measures.js";
import { ALL, busy, ECHO, NATIVE, room, WITH_ROOMS } from "./rows.js";

/** @type {readonly import("./rows.js").Scenario[]} */
export const messages = [
  {
    name: "busy-room",
    measure: perMessage,
    rows: () => [room(busy(1_000), { burst: 16 }, ALL)],
    goals: [
      { metric: "cpu", peer: "ws", must: 1 / 10, want: 1 / 15 },
      { metric: "cpu", peer: "bun", must: 1.3, want: 1.15 },
    ],
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
    goals: [{ metric: "cpu", peer: "ws", must: 0.92, want: 0.8 }],
  },
  {
    name: "echo",
    measure: perMessage,
    rows: () => [room("100 sockets, 16 in flight each", ECHO, ALL, "echo")],
    goals: [{ metric: "cpu", peer: "ws", must: 0.22, want: 0.15 }],
  },
  {
    name: "rooms",
    measure: perMessage,
    rows: (isQuick) => {
      const rooms = isQuick ? 50 : 100;
      return [room(`${rooms} rooms × 20, bursts of 16`, { rooms, members: 20, burst: 16 }, WITH_ROOMS, "rooms")];
    },
    goals: [
      { metric: "cpu", peer: "ws", must: 1 / 4, want: 1 / 4 },
      { metric: "cpu", peer: "bun", must: 1.5, want: 1.25 },
    ],
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
    name: "latency",
    measure: latency,
    // So many rooms that a closed loop keeps the server busy, with a single message in each.
    rows: () => [room("20 rooms × 50, 1 × 64 B", { rooms: 20, members: 50 }, WITH_ROOMS, "rooms")],
    goals: [],
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
