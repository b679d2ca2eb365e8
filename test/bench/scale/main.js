// @ts-check
/**
 * `npm run bench -- --scale`: how far a cluster scales. Measures what one of each thing costs, checks a play against reality, plays
 * growing clusters in virtual time, and says what is full first: node, engine, network or memory.
 */
import { parseArgs } from "node:util";
import { findCores } from "../cores.js";
import { isEngineInstalled } from "../servers/engines.js";
import { playSize } from "./growth.js";
import { measureMemory } from "./memory.js";
import { checkAgainstReality } from "./reality.js";
import { CROWDS, growthTable, limitsTable, plansTable, realityTable, unitsTable } from "./report.js";
import { idleKB, readScaleRun, storeScaleRun } from "./stored.js";
import { checkCpu, ENGINES, measureUnits } from "./units.js";

const USAGE = `npm run bench -- --scale [options]

  --nodes <number>    play this many nodes in place of ${[5, 10, 20, 40].join(", ")}
  --clients <number>  with this many clients on all nodes together (50 at each node)
  --seconds <number>  so much virtual time (60)
  --stored            take the stored costs: nothing is measured, and no engine is needed
  --store             keep the run for the pages
  --json              the run as JSON on stdout, and nothing else there
  --help`;

/** @typedef {import("./report.js").ScaleRun} ScaleRun */

const CLIENTS_EACH = 50;
const SIZES = [5, 10, 20, 40];

/**
 * @param {string} name
 * @param {string | undefined} text
 * @param {number} fallback
 */
function count(name, text, fallback) {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: expected a number from 1`);
  return value;
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

async function main() {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string" },
      clients: { type: "string" },
      seconds: { type: "string" },
      stored: { type: "boolean", default: false },
      store: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const sizes = values.nodes === undefined ? SIZES : [count("nodes", values.nodes, 1)];
  if (values.clients !== undefined && values.nodes === undefined) throw new Error("--clients goes with --nodes");
  const say = values.json ? () => {} : console.log;
  const costs = values.stored ? stored() : await measureAll(say);
  const played = [];
  for (const nodes of sizes) {
    const clients = count("clients", values.clients, nodes * CLIENTS_EACH);
    say(`playing ${nodes} nodes with ${clients} clients …`);
    played.push(await playSize(nodes, clients, count("seconds", values.seconds, 60)));
  }
  const { units, memory, idleKB: idle, reality } = costs;
  /** @type {ScaleRun} */
  const run = {
    date: new Date().toISOString(),
    node: process.version,
    machine: `${process.platform} ${process.arch}`,
    units,
    memory,
    idleKB: idle,
    reality,
    sizes: played,
  };
  if (values.json) console.log(JSON.stringify(run));
  else print(run);
  if (values.store) say(`\nstored ${storeScaleRun(run).pathname}`);
}

/** @param {ScaleRun} run */
function print(run) {
  console.log(`\n${unitsTable(run)}\n\n${realityTable(run)}\n\n${growthTable(run)}`);
  for (const size of run.sizes) console.log(`\n${limitsTable(run, size)}`);
  for (const crowd of /** @type {const} */ (["chat", "quiet"]))
    for (const { engine } of run.units)
      console.log(`\n${CROWDS[crowd].title}, over ${engine}\n\n${plansTable(run, crowd, engine)}`);
}

try {
  await main();
} catch (error) {
  console.error(`bench --scale: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
