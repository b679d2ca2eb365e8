// @ts-check
/** How a round is turned into a number. Less is better, and the minimum of the rounds counts: noise only ever adds. */

/**
 * @typedef {object} Pair a server and the load that it gets
 * @property {import("./child.js").Child<import("./peers.js").ServerAnswers>} server
 * @property {import("./child.js").Child<import("./load/main.js").LoadAnswers>} load
 */

/**
 * @typedef {object} Measure
 * @property {string} unit
 * @property {(pair: Pair, roundMs: number) => Promise<number>} round
 */

/** @type {Measure} */
export const cpuPerMessage = {
  unit: "µs of server CPU (user + system, whole process) per delivered message",
  async round({ server, load }, roundMs) {
    const before = await server.ask("cpu");
    // Every message has arrived when this is answered, so the server is at rest at both ends of the round.
    const { delivered } = await load.ask("run", roundMs);
    const after = await server.ask("cpu");
    return (after.user + after.system - before.user - before.system) / delivered;
  },
};
