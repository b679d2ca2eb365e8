// @ts-check
/** Plays of growing clusters with as many clients at each node: what grows with the number of nodes, and whether the paper foretells it. */
import { HABITS, PEOPLE_PER_ROOM } from "./law.js";
import { onPaper } from "./paper.js";
import { play } from "./play.js";
import { total } from "./tap.js";

/** @typedef {Readonly<Record<string, number>>} Figures by name; those of time are for a second */

/**
 * @typedef {object} PlayedSize
 * @property {number} nodes
 * @property {number} clients
 * @property {number} seconds of real time that the play has taken
 * @property {Figures} perNode
 * @property {Figures} paper what the paper says of the same
 */

/**
 * @param {import("./play.js").Played} played
 * @returns {Figures}
 */
function figuresOf({ law, talk, heapBytes }) {
  /** @param {(work: import("./totals.js").NodeWork) => number} read */
  const mean = (read) => talk.reduce((sum, work) => sum + read(work), 0) / talk.length;
  /** @param {(work: import("./totals.js").NodeWork) => number} read */
  const rate = (read) => mean(read) / law.seconds;
  const kinds = ["message", "delta", "beat", "askAll", "ask", "answer"];
  return {
    "messages from clients": rate(({ messages }) => messages),
    "deliveries to clients": rate(({ deliveries }) => deliveries),
    "packets to the engine": rate(({ sent }) => total(sent).packets),
    "packets from the engine": rate(({ received }) => total(received).packets),
    ...Object.fromEntries(
      kinds.map((kind) => [`of these ${KINDS[kind]}`, rate(({ received }) => received[kind]?.packets ?? 0)]),
    ),
    "bytes, clients and engine": rate(
      (work) => work.deliveredBytes + total(work.sent).bytes + total(work.received).bytes,
    ),
    subscriptions: mean(({ subscriptions }) => subscriptions),
    "people present, own and copied": mean(({ presentKeys }) => presentKeys),
    "heap, kB": heapBytes / 1_000,
  };
}

/** @type {Readonly<Record<string, string>>} */
const KINDS = {
  message: "messages",
  delta: "news of presence",
  beat: "beats of presence",
  askAll: "questions to a room",
  ask: "questions to a node",
  answer: "answers",
};

/** @param {import("./paper.js").Paper} paper @returns {Figures} */
function paperFigures({ node, subscriptions, presentKeys }) {
  return {
    "messages from clients": node.messages,
    "deliveries to clients": node.deliveries,
    "packets to the engine": node.packetsOut,
    "packets from the engine": node.packetsIn,
    "bytes, clients and engine": node.bytes,
    subscriptions,
    "people present, own and copied": presentKeys,
  };
}

/**
 * @param {number} nodes
 * @param {number} clients
 * @param {number} [seconds]
 * @returns {Promise<PlayedSize>}
 */
export async function playSize(nodes, clients, seconds = HABITS.seconds) {
  const law = { ...HABITS, nodes, clients, rooms: Math.ceil(clients / PEOPLE_PER_ROOM), seconds };
  const startedAt = performance.now();
  const played = await play(law);
  return {
    nodes,
    clients,
    seconds: (performance.now() - startedAt) / 1_000,
    perNode: figuresOf(played),
    paper: paperFigures(onPaper(law)),
  };
}
