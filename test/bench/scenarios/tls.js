// @ts-check
/** What a message and a connection cost over TLS, each server with a certificate of its own for P-256. */
import { arrival, perMessage } from "../measures.js";
import { busy, crowd, room, WITH_ROOMS } from "./rows.js";

/**
 * @param {import("./rows.js").Row} row
 * @returns {import("./rows.js").Row}
 */
const secure = (row) => ({ ...row, role: `tls-${row.role}`, settings: { ...row.settings, isSecure: true } });

/** @type {readonly import("./rows.js").Scenario[]} */
export const overTls = [
  {
    name: "tls",
    measure: perMessage,
    rows: () => [
      secure(room(busy(1_000), { burst: 16 }, WITH_ROOMS)),
      secure(room("1,000 members, 1 × 64 B at a time", {}, WITH_ROOMS)),
    ],
    goals: [],
  },
  {
    name: "tls-accept",
    measure: arrival,
    // Fewer than of `accept`: a handshake takes the load as long as the server.
    rows: () => [secure(crowd("300 connect, 100 at a time", 300, WITH_ROOMS))],
    goals: [],
  },
];
