// @ts-check
/** What Sendall's messages cost on Bun and on Deno, beside Node, and beside Bun's own server. */
import { perMessage } from "../measures.js";
import { busy, ECHO, room } from "./rows.js";

const RUNTIMES = ["sendall-bun", "sendall-deno", "bun"];

/** @type {readonly import("./rows.js").Scenario[]} */
export const runtimes = [
  {
    name: "runtimes",
    measure: perMessage,
    rows: () => [
      room(busy(1_000), { burst: 16 }, RUNTIMES),
      room("100 sockets, 16 in flight each", ECHO, RUNTIMES, "echo"),
    ],
    goals: [],
  },
];
