// @ts-check
/** Plays of growing clusters with as many clients at each node: what grows with the number of nodes, and whether the paper foretells it. */
import { onPaper } from "./paper.js";
import { play } from "./play.js";
import { total } from "./tap.js";

/** @typedef {Readonly<Record<string, number>>} Figures by name; those of time are for a second */

/**
 * @typedef {object} PlayedSize
 * @property {import("./law.js").Law} law
 * @property {Figures} perNode
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
      kinds.map((kind) => [`– ${KINDS[kind]}`, rate(({ received }) => received[kind]?.packets ?? 0)]),
    ),
    "bytes, clients and engine": rate(
      (work) => work.deliveredBytes + total(work.sent).bytes + total(work.received).bytes,
    ),
    "subscriptions, at the end": mean(({ subscriptions }) => subscriptions),
    "people present, own and copied, at the end": mean(({ presentKeys }) => presentKeys),
    "heap with its clients, kB, at the end": heapBytes / 1_000,
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

/** What the paper says of the same. @param {import("./law.js").Law} law @returns {Figures} */
export function paperOf(law) {
  const { node, subscriptions, presentKeys } = onPaper(law);
  return {
    "messages from clients": node.messages,
    "deliveries to clients": node.deliveries,
    "packets to the engine": node.packetsOut,
    "packets from the engine": node.packetsIn,
    "bytes, clients and engine": node.bytes,
    "subscriptions, at the end": subscriptions,
    "people present, own and copied, at the end": presentKeys,
  };
}

/**
 * @param {import("./law.js").Law} law
 * @returns {Promise<PlayedSize>}
 */
export async function playSize(law) {
  return { law, perNode: figuresOf(await play(law)) };
}
