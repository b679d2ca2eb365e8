// @ts-check
/**
 * What is measured: a row for each scenario. A new one names the role that the servers play (`servers/`), the load they get
 * (`load/main.js`) with its settings, and what is measured (`measures.js`).
 */
import { cpuPerMessage } from "./measures.js";

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} title
 * @property {string} role what each server of `servers/` is to do
 * @property {string} load which load of `load/main.js`
 * @property {import("./load/broadcast.js").BroadcastSettings} settings of the load
 * @property {import("./measures.js").Measure} measure less is better
 * @property {Readonly<Record<string, number>>} goals by peer: Sendall needs at most this share of what it needs
 */

/**
 * @param {number} burst messages that the publisher sends at once
 * @param {number} goal
 * @returns {Scenario}
 */
function broadcast(burst, goal) {
  return {
    name: `broadcast-${burst}`,
    title: `broadcast, ${burst} at once`,
    role: "broadcast",
    load: "broadcast",
    settings: { sockets: 1_000, messageBytes: 64, burst },
    measure: cpuPerMessage,
    goals: { ws: goal },
  };
}

/** @type {readonly Scenario[]} */
export const scenarios = [broadcast(1, 1), broadcast(16, 0.1)];
