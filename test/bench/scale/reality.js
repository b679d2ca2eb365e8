// @ts-check
/**
 * The play checked against reality: the same small cluster once on the memory adapter in virtual time, once with an engine, processes and
 * sockets. Step by step, each node must have sent and received the same packets with the same number of bytes.
 */
import { setTimeout } from "node:timers/promises";
import { HABITS, stepsOf } from "./law.js";
import { Stage } from "./play.js";
import { RealCluster } from "./real.js";
import { sum, total } from "./tap.js";
import { ENGINES } from "./units.js";

/** One after another, so that no two ends of a grace meet in one turn of a node. */
const APART_MS = 50;
/** The end of every grace and the first two beats of presence. */
const QUIET_MS = 25_000;
/** A step that has no more to bring by then differs. */
const PATIENCE_MS = 10_000;

/** Small enough that all steps are over before the first beat. @type {import("./law.js").Law} */
const LAW = {
  ...HABITS,
  nodes: 3,
  clients: 24,
  rooms: 6,
  seconds: 30,
  stayS: 120,
  sayEveryS: 12,
};

/** @param {import("./totals.js").Totals} totals what has to agree: engines that send a node its own packets are no difference */
function comparable({ sent, received, messages, deliveries, deliveredBytes, rooms, subscriptions, presentKeys, kept }) {
  return { sent, received, messages, deliveries, deliveredBytes, rooms, subscriptions, presentKeys, kept };
}

/** @param {unknown} value the same text for the same content, in whatever order it came */
function textOf(value) {
  return JSON.stringify(value, (_, part) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * @param {RealCluster} cluster
 * @param {readonly import("./totals.js").Totals[]} played
 * @param {string} after
 * @param {number} patienceMs
 */
async function agree(cluster, played, after, patienceMs) {
  const wanted = played.map((totals) => textOf(comparable(totals)));
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const real = (await cluster.read()).map((totals) => textOf(comparable(totals)));
    const wrong = wanted.findIndex((text, i) => text !== real[i]);
    if (wrong < 0) return;
    if (performance.now() > deadline)
      throw new Error(`${after}, node ${wrong + 1} differs:\n  played ${wanted[wrong]}\n  real   ${real[wrong]}`);
  }
}

/** The steps of the comparison: all come, talk, and then some go and others come. */
function stepsApart() {
  const { arrivals, talk } = stepsOf(LAW);
  // Who speaks is there: those who come later only come.
  const known = new Set(arrivals.flatMap((step) => (step.type === "come" ? [step.client] : [])));
  const says = talk.filter((step) => step.type === "say" && known.has(step.client));
  return [...arrivals, ...says, ...talk.filter((step) => step.type !== "say")];
}

/** @param {readonly import("./totals.js").Totals[]} nodes */
const sentBy = (nodes) => sum(nodes.map(({ sent }) => total(sent)));

/**
 * @typedef {object} Agreement
 * @property {string} engine
 * @property {number} steps
 * @property {import("./tap.js").Traffic} played what all nodes have sent
 * @property {import("./tap.js").Traffic} real the same, counted by the nodes in reality
 */

/**
 * Plays the steps in both worlds. Throws if they differ.
 * @param {import("./units.js").Engine} engine
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<Agreement>}
 */
async function compare({ name, hasHistory }, cores) {
  const stage = new Stage(LAW, { hasHistory });
  const steps = stepsApart();
  await stage.start();
  const cluster = await RealCluster.start(name, LAW, { hasHistory }, cores);
  try {
    for (const [i, step] of steps.entries()) {
      await stage.take(step);
      await stage.advance(APART_MS);
      await cluster.take(step);
      if (step.type === "go") await setTimeout(APART_MS);
      await agree(cluster, stage.read(), `after step ${i + 1} (${step.type})`, PATIENCE_MS);
    }
    await stage.advance(QUIET_MS - steps.length * APART_MS);
    const played = stage.read();
    await agree(cluster, played, "after two beats", QUIET_MS + PATIENCE_MS);
    return { engine: name, steps: steps.length, played: sentBy(played), real: sentBy(await cluster.read()) };
  } finally {
    await cluster.stop();
    await stage.close();
  }
}

/**
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<Agreement[]>}
 */
export async function checkAgainstReality(cores) {
  const agreements = [];
  for (const engine of ENGINES) agreements.push(await compare(engine, cores));
  return agreements;
}
