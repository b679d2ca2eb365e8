// @ts-check
/** What `--scale` prints, as tables that are Markdown too: the sizing page has the stored ones. */
import { round as roundFigure } from "../figures/runs.js";
import { paperOf } from "./growth.js";
import { HABITS, PEOPLE_PER_ROOM } from "./law.js";
import { BUDGET, engineCores, fewestNodes, fullest, mostClients, planOf, serversFor } from "./limits.js";

/** @typedef {import("./growth.js").PlayedSize} PlayedSize */

/**
 * @typedef {object} ScaleRun what is stored
 * @property {string} date
 * @property {string} node
 * @property {string} machine
 * @property {readonly import("./units.js").Units[]} units
 * @property {import("./memory.js").Memory} memory
 * @property {number} idleKB of a connection, from the stored runs of the benchmark
 * @property {readonly (import("./reality.js").Agreement & { readonly cpu: { readonly nodes: number, readonly engine: number } })[]} reality
 * @property {readonly PlayedSize[]} sizes
 */

/** @param {number} value */
const round = (value) => (Number.isFinite(value) ? (Math.abs(value) < 1e-6 ? "0" : roundFigure(value)) : "–");

/** What people do. A quiet crowd mostly listens. */
export const CROWDS = {
  chat: {
    title:
      "a chat: each person says something in each room once a minute, a room hears at most five messages a second, and people stay 10 minutes",
    habits: HABITS,
  },
  quiet: {
    title:
      "a quiet crowd: each person says something in each room every 20 minutes, a room hears at most one message a second, and people stay an hour",
    habits: { ...HABITS, sayEveryS: 1_200, roomPerSecond: 1, stayS: 3_600 },
  },
};

/** @param {keyof typeof CROWDS} crowd @returns {import("./limits.js").LawOf} */
export const lawOf = (crowd) => (nodes, clients) => ({
  ...CROWDS[crowd].habits,
  nodes,
  clients,
  rooms: Math.ceil(clients / PEOPLE_PER_ROOM),
});

/** @param {readonly (readonly string[])[]} rows the first is the head @returns {string} */
export function table([head = [], ...rows]) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/** @param {ScaleRun} run */
export function unitsTable({ units, memory, idleKB }) {
  const rows = /** @type {const} */ ([
    ["a message from a client, handed to the engine", "message"],
    ["a delivery to a client", "delivery"],
    ["a packet of another node", "packet"],
    ["a client who joins two rooms, and leaves", "arrival"],
    ["a packet into the engine", "engineIn"],
    ["a packet out of the engine", "engineOut"],
  ]);
  const costs = rows.map(([label, key]) => [label, ...units.map((each) => `${round(each[key])} µs`)]);
  const bytes = [
    ["an idle connection", ...units.map(() => `${round(idleKB)} kB`)],
    ["a copy of somebody present at another node", ...units.map(() => `${round(memory.key)} B`)],
    ["a kept message of 100 B, at each node with members", ...units.map(() => `${round(memory.kept)} B`)],
  ];
  return table([["cost of", ...units.map(({ engine }) => NAMES[engine] ?? engine)], ...costs, ...bytes]);
}

/** @type {Readonly<Record<string, string>>} */
const NAMES = { nats: "NATS, without history", redis: "Redis, with history" };

/** @param {ScaleRun} run */
export function realityTable({ reality }) {
  return table([
    [
      "over",
      "steps",
      "packets, played = real",
      "bytes, played = real",
      "CPU of nodes, real ÷ predicted",
      "CPU of engine, real ÷ predicted",
    ],
    ...reality.map(({ engine, steps, played, real, cpu }) => [
      NAMES[engine] ?? engine,
      `${steps}`,
      `${played.packets} = ${real.packets}`,
      `${played.bytes.toLocaleString("en")} = ${real.bytes.toLocaleString("en")}`,
      round(cpu.nodes),
      round(cpu.engine),
    ]),
  ]);
}

/**
 * By how much a figure of a node grows when the number of nodes doubles, with as many clients at each node: 1 is not at all.
 * @param {number} first
 * @param {number} last
 * @param {number} doublings
 */
const perDoubling = (first, last, doublings) => (last / first) ** (1 / doublings);

/** @param {ScaleRun} run */
export function growthTable({ sizes }) {
  const [first, last] = [sizes[0], sizes.at(-1)];
  if (first === undefined || last === undefined) throw new Error("no play is stored");
  const doublings = Math.log2(last.law.nodes / first.law.nodes);
  const papers = sizes.map(({ law }) => paperOf(law));
  const rows = Object.keys(first.perNode).map((name) => {
    const figures = sizes.map(({ perNode }) => perNode[name] ?? 0);
    const grown = perDoubling(figures[0] ?? 0, figures.at(-1) ?? 0, doublings);
    const deviations = figures.map((figure, i) =>
      Math.exp(Math.abs(Math.log(figure / (papers[i]?.[name] ?? Number.NaN)))),
    );
    const toPaper = round(Math.max(...deviations));
    return [name, ...figures.map(round), Number.isFinite(grown) ? round(grown) : "–", toPaper];
  });
  const heads = sizes.map(({ law: { nodes, clients } }) => `${nodes} nodes, ${clients.toLocaleString("en")} clients`);
  return table([
    ["each node, per second", ...heads, "growth per doubling of nodes (×)", "largest deviation from paper (×)"],
    ...rows,
  ]);
}

/** @param {import("./units.js").Units} units what is said of a plan: of the group with the largest room, and of one node or its engine */
const heads = ({ sendsBack }) => [
  "node core, %",
  "engine core, %",
  ...(sendsBack ? [] : ["NATS servers"]),
  "Mbit/s",
  "connections",
  "GB",
  "fullest",
];

/**
 * @param {import("./limits.js").Plan} plan
 * @param {import("./limits.js").Costs} costs
 */
function cellsOf({ loads, paper }, { units }) {
  return [
    round(loads.node * BUDGET.core * 100),
    round(engineCores(paper, units) * 100),
    ...(units.sendsBack ? [] : [`${serversFor(paper, units) ?? "none is enough"}`]),
    round(loads.network * BUDGET.networkMbits),
    round(paper.connections),
    round((loads.memory * BUDGET.memoryMB) / 1_000),
    fullest(loads)[0],
  ];
}

/** @param {number} clients */
const count = (clients) => (clients >= 1e6 ? `${round(clients / 1e6)} M` : Math.round(clients).toLocaleString("en"));

/**
 * @param {ScaleRun} run
 * @param {keyof typeof CROWDS} crowd
 * @param {string} engine
 */
export function plansTable(run, crowd, engine) {
  const units = run.units.find((each) => each.engine === engine);
  if (units === undefined) throw new Error(`nothing of ${engine} is stored`);
  const costs = costsOf(run, units);
  const law = lawOf(crowd);
  const plans = [
    ...[10, 100, 1_000].flatMap((nodes) => bothWays(law, costs, nodes)),
    ...[1e6, 1e7, 5e7].map((clients) => fewestNodes(law, costs, clients)),
  ];
  const rows = plans.map((plan) => [
    plan.nodes.toLocaleString("en"),
    count(plan.clients),
    plan.groups === 1 ? "one" : `${plan.groups} of ${plan.nodes / plan.groups}`,
    ...cellsOf(plan, costs),
  ]);
  return table([["nodes", "clients", "groups", ...heads(units)], ...rows]);
}

/**
 * One cluster of all, and groups if they carry more.
 * @param {import("./limits.js").LawOf} law
 * @param {import("./limits.js").Costs} costs
 * @param {number} nodes
 */
function bothWays(law, costs, nodes) {
  const [one, best] = [mostClients(law, costs, nodes, [1]), mostClients(law, costs, nodes)];
  return best.groups === 1 ? [one] : [one, best];
}

/**
 * @param {ScaleRun} run
 * @param {import("./units.js").Units} units
 * @returns {import("./limits.js").Costs}
 */
function costsOf({ memory, idleKB, reality }, units) {
  const real = reality.find(({ engine }) => engine === units.engine)?.cpu.nodes ?? 1;
  return { units, memory, idleKB, correction: Math.max(1, real) };
}

/**
 * What one played size uses on paper, and what is full first.
 * @param {ScaleRun} run
 * @param {import("./law.js").Law} law
 */
export function limitsTable(run, law) {
  const tables = run.units.map((units) => {
    const costs = costsOf(run, units);
    const head = `on paper: ${law.nodes} nodes, ${count(law.clients)} clients`;
    return table([
      [head, ...heads(units)],
      [NAMES[units.engine] ?? units.engine, ...cellsOf(planOf(law, costs, 1), costs)],
    ]);
  });
  return tables.join("\n\n");
}
