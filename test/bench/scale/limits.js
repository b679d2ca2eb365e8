// @ts-check
/** Which of node, engine, network and memory is full first, by the paper and by what one of each thing costs. */
import { onPaper } from "./paper.js";
import { costOfRates } from "./units.js";

/** A node is a process with a core of its own; half of it is kept for the busiest minute. */
export const BUDGET = { core: 0.5, networkMbits: 500, memoryMB: 2_000 };

/** Of Node itself. */
const PROCESS_MB = 60;

/**
 * @typedef {object} Costs
 * @property {import("./units.js").Units} units
 * @property {import("./memory.js").Memory} memory
 * @property {number} idleKB of a connection
 * @property {number} correction by how much the CPU time of a mixed load was more than the sum of its parts
 */

/**
 * How much of its budget each part uses: 1 is all of it.
 * @typedef {object} Loads
 * @property {number} node
 * @property {number} engine of a single core
 * @property {number} network the busier of node and engine
 * @property {number} memory of a node
 */

/**
 * @param {import("./paper.js").Paper} paper
 * @param {Costs} costs
 * @returns {Loads}
 */
export function loadsOf(paper, { units, memory, idleKB, correction }) {
  const { node, engine } = paper;
  const MB =
    PROCESS_MB +
    (paper.connections * idleKB) / 1_000 +
    (paper.presentKeys * memory.key + paper.kept * memory.kept) / 1e6;
  return {
    node: (costOfRates(units, node) * correction) / 1e6 / BUDGET.core,
    engine: engineCores(paper, units) / BUDGET.core,
    network: (Math.max(node.bytes, engine.bytes) * 8) / 1e6 / BUDGET.networkMbits,
    memory: MB / BUDGET.memoryMB,
  };
}

/**
 * @param {import("./paper.js").Paper} paper
 * @param {import("./units.js").Units} units
 */
export function engineCores({ engine }, units) {
  return (
    (engine.packetsIn * units.engineIn +
      (engine.packetsOut + (units.sendsBack ? engine.echoes : 0)) * units.engineOut) /
    1e6
  );
}

/**
 * So many servers a NATS cluster needs: each takes its share of the nodes, and each packet crosses once to every other server.
 * @param {import("./paper.js").Paper} paper
 * @param {import("./units.js").Units} units
 * @returns {number | undefined} none if no number is enough
 */
export function serversFor({ engine }, units) {
  for (let servers = 1; servers <= 1_000; servers++) {
    const crossing = (engine.packetsIn * (servers - 1)) / servers;
    const cost = engine.packetsIn * units.engineIn + (crossing + engine.packetsOut / servers) * units.engineOut;
    if (cost / 1e6 <= BUDGET.core) return servers;
  }
  return undefined;
}

/** @param {Loads} loads @returns {[name: keyof Loads, load: number]} the fullest */
export function fullest(loads) {
  const [first] = Object.entries(loads).sort(([, a], [, b]) => b - a);
  return /** @type {[keyof Loads, number]} */ (first);
}

/**
 * @typedef {object} Plan
 * @property {number} nodes
 * @property {number} clients
 * @property {number} groups
 * @property {Loads} loads
 * @property {import("./paper.js").Paper} paper
 */

/** So many nodes a group has, unless all are one cluster. */
const GROUP_SIZES = [100, 50, 20, 10];

/**
 * @param {number} nodes
 * @returns {number[]} into so many groups of the same size the nodes can be split, the fewest groups first
 */
function splits(nodes) {
  return [1, ...GROUP_SIZES.filter((size) => size < nodes && nodes % size === 0).map((size) => nodes / size)];
}

/**
 * The law with so many nodes and clients.
 * @typedef {(nodes: number, clients: number) => import("./law.js").Law} LawOf
 */

/**
 * @param {import("./law.js").Law} law
 * @param {Costs} costs
 * @param {number} groups
 * @returns {Plan}
 */
export function planOf(law, costs, groups) {
  const paper = onPaper(law, { groups });
  return { nodes: law.nodes, clients: law.clients, groups, paper, loads: loadsOf(paper, costs) };
}

/**
 * The most clients that so many nodes carry within the budget, two digits of them, in as few groups as carry nearly as many.
 * @param {LawOf} lawOf
 * @param {Costs} costs
 * @param {number} nodes
 * @param {readonly number[]} [groups]
 * @returns {Plan}
 */
export function mostClients(lawOf, costs, nodes, groups = splits(nodes)) {
  const most = groups.map((split) => {
    let [low, high] = [100, 1e9];
    while (high / low > 1.01) {
      const clients = Math.sqrt(low * high);
      if (fullest(planOf(lawOf(nodes, clients), costs, split).loads)[1] <= 1) low = clients;
      else high = clients;
    }
    return planOf(lawOf(nodes, Number(low.toPrecision(2))), costs, split);
  });
  const best = Math.max(...most.map(({ clients }) => clients));
  const chosen = most.find(({ clients }) => clients >= best * 0.9);
  if (chosen === undefined) throw new Error("there is no way to split the nodes");
  return chosen;
}

/**
 * The fewest nodes that carry so many clients within the budget.
 * @param {LawOf} lawOf
 * @param {Costs} costs
 * @param {number} clients
 * @returns {Plan}
 */
export function fewestNodes(lawOf, costs, clients) {
  const fits = [1, ...GROUP_SIZES].map((size) => fewestOf(lawOf, costs, clients, size));
  const fewest = Math.min(...fits.map((plan) => plan?.nodes ?? Number.POSITIVE_INFINITY));
  const chosen = fits.find((plan) => plan !== undefined && plan.nodes <= fewest * 1.1);
  if (chosen === undefined) throw new Error("no number of nodes is enough");
  return chosen;
}

/** The plan is for no more nodes than that. */
const MOST_NODES = 50_000;

/**
 * @param {LawOf} lawOf
 * @param {Costs} costs
 * @param {number} clients
 * @param {number} size of a group; 1: all nodes are one cluster
 * @returns {Plan | undefined} none if no number of nodes is enough
 */
function fewestOf(lawOf, costs, clients, size) {
  const step = Math.max(10, size);
  for (let nodes = step; nodes <= MOST_NODES; nodes = Math.ceil((nodes * 1.02 + 1) / step) * step) {
    const plan = planOf(lawOf(nodes, clients), costs, size === 1 ? 1 : nodes / size);
    if (fullest(plan.loads)[1] <= 1) return plan;
  }
  return undefined;
}
