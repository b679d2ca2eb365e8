// @ts-check
/**
 * `npm run bench -- --scale`: how far a cluster scales. Measures what one of each thing costs, checks a play against reality, plays
 * growing clusters in virtual time, and says what is full first: node, engine, network or memory.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findCores } from "../cores.js";
import { isEngineInstalled } from "../servers/engines.js";
import { playSize } from "./growth.js";
import { HABITS, PEOPLE_PER_ROOM } from "./law.js";
import { measureMemory } from "./memory.js";
import { checkAgainstReality } from "./reality.js";
import { CROWDS, growthTable, limitsTable, plansTable, realityTable, unitsTable } from "./report.js";
import { idleKB, readScaleRun, storeScaleRun } from "./stored.js";
import { checkCpu, ENGINES, measureUnits } from "./units.js";

const USAGE = `npm run bench -- --scale [options]

  --nodes <number>    play so many nodes, 1,000 at most, instead of 5, 10, 20 and 40, and leave out the plans
  --clients <number>  so many clients on all nodes together, with --nodes (50 for each node)
  --seconds <number>  seconds of virtual time (60)
  --say <seconds>     each person says something in each of its rooms so often (60), with --nodes
  --stay <seconds>    people stay so long on average (600), with --nodes
  --exponent <number> of the Zipf law by which people pick rooms (1), with --nodes
  --stored            use the stored costs: nothing is measured, and no engine is needed
  --store             keep the run for the pages; not with --nodes or --stored
  --json              the run as JSON on stdout, and nothing else there
  --help`;

/** @typedef {import("./report.js").ScaleRun} ScaleRun */

const CLIENTS_EACH = 50;
const SIZES = [5, 10, 20, 40];

/**
 * @param {string} name
 * @param {string | undefined} text
 * @param {number} fallback
 * @param {{ readonly isWhole?: boolean, readonly most?: number }} [kind]
 */
function count(name, text, fallback, { isWhole = true, most = 1e9 } = {}) {
  const value = text === undefined ? fallback : Number(text);
  if (value >= (isWhole ? 1 : 0.1) && value <= most && (!isWhole || Number.isInteger(value))) return value;
  const what = isWhole ? "a whole number from 1" : "a number from 0.1";
  throw new Error(`--${name} ${text}: expected ${what} to ${most.toLocaleString("en")}`);
}

/** @param {(line: string) => void} say @returns {Promise<Pick<ScaleRun, "units" | "memory" | "idleKB" | "reality">>} */
async function measureAll(say) {
  const missing = ENGINES.filter(({ name }) => !isEngineInstalled(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new Error(
      `${missing.join(" and ")} cannot be started: install the engine, or take the stored costs with --stored`,
    );
  const cores = findCores();
  say("measuring what one of each thing costs …");
  const units = [];
  for (const engine of ENGINES) units.push(await measureUnits(engine, cores));
  const memory = await measureMemory();
  say("checking a play against reality …");
  const reality = [];
  for (const agreement of await checkAgainstReality(cores)) {
    const engine = ENGINES.find(({ name }) => name === agreement.engine);
    const unit = units.find((each) => each.engine === agreement.engine);
    if (engine === undefined || unit === undefined) continue;
    reality.push({ ...agreement, cpu: await checkCpu(engine, unit, cores) });
  }
  return { units, memory, idleKB: idleKB(), reality };
}

/** @returns {ScaleRun} */
function stored() {
  const run = readScaleRun();
  if (run === undefined) throw new Error("no costs are stored: leave out --stored");
  return run;
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string" },
      clients: { type: "string" },
      seconds: { type: "string" },
      say: { type: "string" },
      stay: { type: "string" },
      exponent: { type: "string" },
      stored: { type: "boolean", default: false },
      store: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { nodes } = values;
  for (const name of /** @type {const} */ (["clients", "say", "stay", "exponent"]))
    if (values[name] !== undefined && nodes === undefined) throw new Error(`--${name} needs --nodes`);
  if (values.store && (nodes !== undefined || values.stored))
    throw new Error("--store goes neither with --nodes nor with --stored");
  const habits = {
    ...HABITS,
    seconds: count("seconds", values.seconds, HABITS.seconds),
    sayEveryS: count("say", values.say, HABITS.sayEveryS, { isWhole: false }),
    stayS: count("stay", values.stay, HABITS.stayS, { isWhole: false }),
    exponent: count("exponent", values.exponent, HABITS.exponent, { isWhole: false, most: 10 }),
  };
  // A node knows a thousand others at most: see `MAX_PEERS` of presence.
  const sizes = nodes === undefined ? SIZES : [count("nodes", nodes, 1, { most: 1_000 })];
  const laws = sizes.map((size) => {
    const clients = count("clients", values.clients, size * CLIENTS_EACH);
    return { ...habits, nodes: size, clients, rooms: Math.ceil(clients / PEOPLE_PER_ROOM) };
  });
  return { ...values, laws, hasPlans: nodes === undefined };
}

async function main() {
  const args = readArguments();
  if (args.help) return console.log(USAGE);
  const say = args.json ? () => {} : console.log;
  const costs = args.stored ? stored() : await measureAll(say);
  const sizes = [];
  for (const law of args.laws) {
    say(`playing ${law.nodes} nodes with ${law.clients} clients …`);
    sizes.push(await playSize(law));
  }
  const { units, memory, idleKB: idle, reality } = costs;
  const machine = `${process.platform} ${process.arch}`;
  /** @type {ScaleRun} */
  const run = {
    date: new Date().toISOString(),
    node: process.version,
    machine,
    units,
    memory,
    idleKB: idle,
    reality,
    sizes,
  };
  if (args.json) console.log(JSON.stringify(run));
  else print(run, args);
  if (args.store) say(`\nstored ${fileURLToPath(storeScaleRun(run))}`);
}

/**
 * @param {ScaleRun} run
 * @param {{ readonly hasPlans: boolean }} what
 */
function print(run, { hasPlans }) {
  console.log(
    `\nmeasured\n\n${unitsTable(run)}\n\nplayed and real\n\n${realityTable(run)}\n\nplayed\n\n${growthTable(run)}`,
  );
  for (const { law } of run.sizes) console.log(`\n${limitsTable(run, law)}`);
  if (!hasPlans) return;
  for (const crowd of /** @type {const} */ (["chat", "quiet"]))
    for (const { engine } of run.units)
      console.log(`\non paper: ${CROWDS[crowd].title}, over ${engine}\n\n${plansTable(run, crowd, engine)}`);
}

try {
  await main();
} catch (error) {
  console.error(`bench --scale: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
