// @ts-check
/** What a node has done, read from its numbers and its tap: the same in the play and in reality. */

/** @typedef {import("./tap.js").Traffic} Traffic */

/**
 * @typedef {object} NodeWork what a node has done in the talk, and holds at its end
 * @property {number} messages from its clients
 * @property {number} deliveries to its clients, with the notices of presence
 * @property {number} deliveredBytes
 * @property {number} accepted connections
 * @property {Record<string, Traffic>} sent to the engine, by kind
 * @property {Record<string, Traffic>} received of other nodes, from the engine
 * @property {Traffic} echoed
 * @property {number} clients
 * @property {number} rooms
 * @property {number} subscriptions
 * @property {number} presentKeys own and copied
 * @property {number} kept messages that its history has taken
 */

/** @typedef {ReturnType<typeof readNode>} Totals */

/**
 * @param {import("sendall").Stats} stats
 * @param {import("./tap.js").Counts} counts
 * @param {import("./app.js").App} app
 */
export function readNode(stats, counts, app) {
  const { received, sent, opened, connections, rooms, kept } = stats;
  return {
    messages: received.messages,
    deliveries: sent.messages,
    deliveredBytes: sent.bytes,
    accepted: opened,
    sent: structuredClone(counts.sent),
    received: structuredClone(counts.received),
    echoed: { ...counts.echoed },
    clients: connections,
    rooms,
    subscriptions: counts.subscriptions,
    presentKeys: app.presentKeys(),
    kept,
  };
}

/**
 * @param {Traffic} after
 * @param {Traffic} [before]
 * @returns {Traffic}
 */
function less(after, before = { packets: 0, bytes: 0 }) {
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}

/**
 * @param {Record<string, Traffic>} after
 * @param {Record<string, Traffic>} before
 */
function lessOfEach(after, before) {
  return Object.fromEntries(Object.entries(after).map(([kind, traffic]) => [kind, less(traffic, before[kind])]));
}

/**
 * @param {Totals} after
 * @param {Totals} before
 * @returns {NodeWork}
 */
function workOf(after, before) {
  return {
    ...after,
    messages: after.messages - before.messages,
    deliveries: after.deliveries - before.deliveries,
    deliveredBytes: after.deliveredBytes - before.deliveredBytes,
    accepted: after.accepted - before.accepted,
    kept: after.kept - before.kept,
    sent: lessOfEach(after.sent, before.sent),
    received: lessOfEach(after.received, before.received),
    echoed: less(after.echoed, before.echoed),
  };
}

/**
 * @param {readonly Totals[]} after of each node
 * @param {readonly Totals[]} before
 */
export function workBetween(after, before) {
  return after.map((totals, i) => workOf(totals, before[i] ?? totals));
}
