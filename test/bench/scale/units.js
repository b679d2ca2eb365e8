// @ts-check
/**
 * What one of each thing costs on this machine, measured with a few small clusters in reality: CPU time of a node and of the engine. The
 * sum of what was counted times these costs is what the play predicts; `checkCpu` compares a whole load with the sum.
 */
import { measureEngine } from "./engine-units.js";
import { HABITS, stepsOf } from "./law.js";
import { RealCluster } from "./real.js";
import { workBetween } from "./totals.js";

/**
 * Microseconds of CPU time.
 * @typedef {object} Units
 * @property {string} engine
 * @property {boolean} sendsBack whether a node hears its own packets
 * @property {number} message taken from a client and handed to the engine, which may send it back
 * @property {number} delivery of a message to a client
 * @property {number} packet received from another node
 * @property {number} arrival of a client who joins two rooms, and its leaving
 * @property {number} engineIn of the engine: a packet taken from a node
 * @property {number} engineOut of the engine: a packet given to a node
 */

/** @typedef {{ readonly name: string, readonly hasHistory: boolean, readonly sendsBack: boolean }} Engine */

/** History in memory needs an engine that keeps one order. @type {readonly Engine[]} */
export const ENGINES = [
  { name: "nats", hasHistory: false, sendsBack: false },
  { name: "redis", hasHistory: true, sendsBack: true },
];

/** Behind it whatever the last steps cause has been done. */
const TAIL_MS = 500;
const SECONDS = 4;

/** @typedef {{ readonly work: import("./totals.js").NodeWork[], readonly cpu: import("./real.js").Cpu }} Measured */

/** @typedef {readonly import("./law.js").Step[]} Steps */

/**
 * Measures the talk, after the arrivals and a warm-up: the compilers have seen the road of a message and of a visitor by then.
 * @param {Engine} engine
 * @param {import("./law.js").Law} law
 * @param {{ readonly arrivals: Steps, readonly warmUp?: Steps, readonly talk: Steps }} steps the warm-up is the first of what is said by default
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<Measured>}
 */
async function measure(engine, law, { arrivals, talk, warmUp = saidIn(talk) }, cores) {
  const cluster = await RealCluster.start(engine.name, law, engine, cores);
  try {
    for (const step of arrivals) await cluster.take(step);
    await cluster.takeInTime(warmUp);
    await cluster.rest(TAIL_MS);
    const [before, cpuBefore] = [await cluster.read(), await cluster.cpu()];
    await cluster.takeInTime(talk);
    await cluster.rest(TAIL_MS);
    const [after, cpu] = [await cluster.read(), await cluster.cpu()];
    return {
      work: workBetween(after, before),
      cpu: {
        nodes: cpu.nodes.map((each, i) => each - (cpuBefore.nodes[i] ?? 0)),
        engine: cpu.engine - cpuBefore.engine,
      },
    };
  } finally {
    await cluster.stop();
  }
}

/** @param {Steps} talk */
const saidIn = (talk) => talk.filter((step) => step.type === "say").slice(0, 2_000);

/**
 * Rooms with as many members on each node; those on the first node speak in turn.
 * @param {{ readonly nodes: number, readonly rooms: number, readonly members: number, readonly perSecond: number }} shape
 */
function evenSteps({ nodes, rooms, members, perSecond }) {
  /** @type {import("./law.js").Step[]} */
  const arrivals = [];
  for (let room = 0; room < rooms; room++)
    for (let node = 0; node < nodes; node++)
      for (let member = 0; member < members; member++)
        arrivals.push({ type: "come", client: arrivals.length, node, rooms: [room], at: 0 });
  const talk = Array.from({ length: perSecond * SECONDS }, (_, i) => {
    const room = i % rooms;
    return /** @type {const} */ ({ type: "say", client: room * nodes * members, room, at: (i / perSecond) * 1_000 });
  });
  return { arrivals, talk };
}

/**
 * Clients who come to the first node and leave again, in rooms with ten members on each of two nodes; three times as many have come and gone
 * before, thrice as fast.
 * @param {number} perSecond
 */
function visitSteps(perSecond) {
  const { arrivals } = evenSteps({ nodes: 2, rooms: 20, members: 10, perSecond: 0 });
  /**
   * @param {number} first the number of the first visitor
   * @param {number} rate so many in a second
   */
  const visits = (first, rate) => {
    /** @type {import("./law.js").Step[]} */
    const steps = [];
    for (let i = 0; i < rate * SECONDS; i++) {
      const [client, at] = [first + i, (i / rate) * 1_000];
      steps.push(
        { type: "come", client, node: 0, rooms: [i % 20, (i + 7) % 20], at },
        { type: "go", client, at: at + 300 },
      );
    }
    return steps.sort((a, b) => a.at - b.at);
  };
  const warmUp = visits(arrivals.length, 3 * perSecond);
  return { arrivals, warmUp, talk: visits(arrivals.length + warmUp.length, perSecond) };
}

/** @param {number} nodes @param {number} seconds */
const lawFor = (nodes, seconds = SECONDS) => ({ ...HABITS, nodes, clients: 0, rooms: 0, seconds });

/**
 * @param {Engine} engine
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<Units>}
 */
export async function measureUnits(engine, cores) {
  /** @param {number} nodes @param {number} rooms @param {number} members @param {number} perSecond */
  const talk = async (nodes, rooms, members, perSecond) => {
    const shape = { nodes, rooms, members, perSecond };
    const { work, cpu } = await measure(engine, lawFor(nodes), evenSteps(shape), cores);
    const messages = work[0]?.messages ?? 0;
    return {
      first: (cpu.nodes[0] ?? 0) / messages,
      other: (cpu.nodes[1] ?? 0) / messages,
    };
  };
  const alone = await talk(1, 100, 1, 2_000);
  const room = await talk(1, 20, 50, 400);
  const two = await talk(2, 50, 1, 1_500);
  const delivery = (room.first - alone.first) / 49;
  const ofEngine = await measureEngine(engine, cores);
  const visit = await measure(engine, lawFor(2), visitSteps(100), cores);
  const [host] = visit.work;
  if (host === undefined) throw new Error("nothing was measured");
  const notices = host.deliveries * delivery;
  return {
    engine: engine.name,
    sendsBack: engine.sendsBack,
    message: alone.first - delivery,
    delivery,
    packet: two.other - delivery,
    arrival: ((visit.cpu.nodes[0] ?? 0) - notices) / host.accepted,
    ...ofEngine,
  };
}

/**
 * What so much work of a node costs by the units, in microseconds.
 * @param {Units} units
 * @param {{ readonly messages: number, readonly deliveries: number, readonly arrivals: number, readonly packetsIn: number }} work
 */
export function costOfRates(units, { messages, deliveries, arrivals, packetsIn }) {
  return messages * units.message + deliveries * units.delivery + arrivals * units.arrival + packetsIn * units.packet;
}

/**
 * @param {Units} units
 * @param {import("./totals.js").NodeWork} work
 */
export function costOf(units, { messages, deliveries, accepted: arrivals, received }) {
  const packetsIn = Object.values(received).reduce((sum, { packets }) => sum + packets, 0);
  return costOfRates(units, { messages, deliveries, arrivals, packetsIn });
}

/**
 * What the engine's work costs by the units, in microseconds.
 * @param {Units} units
 * @param {readonly import("./totals.js").NodeWork[]} work of all nodes
 */
export function engineCostOf(units, work) {
  let cost = 0;
  for (const { sent, received, echoed } of work) {
    for (const { packets } of Object.values(sent)) cost += packets * units.engineIn;
    for (const { packets } of Object.values(received)) cost += packets * units.engineOut;
    cost += echoed.packets * units.engineOut;
  }
  return cost;
}

/**
 * A whole load in reality, of a law like the play's, against the sum of its parts.
 * @param {Engine} engine
 * @param {Units} units
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<{ readonly nodes: number, readonly engine: number }>} measured ÷ predicted
 */
export async function checkCpu(engine, units, cores) {
  const law = { ...HABITS, nodes: 3, clients: 300, rooms: 30, sayEveryS: 1, roomPerSecond: 50, stayS: 60, seconds: 8 };
  const { work, cpu } = await measure(engine, law, stepsOf(law), cores);
  const predicted = work.reduce((sum, each) => sum + costOf(units, each), 0);
  const real = cpu.nodes.reduce((sum, each) => sum + each, 0);
  return { nodes: real / predicted, engine: cpu.engine / engineCostOf(units, work) };
}
