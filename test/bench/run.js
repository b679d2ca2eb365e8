// @ts-check
/**
 * `npm run bench`: what a delivered message costs Sendall's server and other servers in CPU time, side by side. Server and
 * load are processes of their own; the peers take turns, so that they meet the same weather on a shared machine. Absolute
 * figures say little from one machine, or one minute, to the next: trust the ratios of one run. Then, how much real time tests take
 * in virtual time.
 */
import { parseArgs } from "node:util";
import { findCores } from "./cores.js";
import { peers, versionOf } from "./peers.js";
import { about, header, row, toJson, virtualHeader, virtualRow } from "./report.js";
import { runScenario } from "./rounds.js";
import { scenarios } from "./scenarios.js";
import { runVirtual, virtualScenarios } from "./virtual/scenarios.js";

const everything = [...scenarios, ...virtualScenarios];

const USAGE = `npm run bench -- [options]

  --quick             fewer and shorter rounds, under a minute
  --scenario <name>   only this one; may be repeated: ${everything.map(({ name }) => name).join(", ")}
  --peer <name>       only these besides sendall; may be repeated: ${peers.map(({ name }) => name).join(", ")}
  --profile <folder>  write a CPU profile of each server (the figures are higher then)
  --json              the results as JSON on stdout, and nothing else there
  --help`;

/** @type {import("./rounds.js").Plan} */
const FULL = { rounds: 30, roundMs: 300, warmUpMs: 1_500, virtualRounds: 3, deadlineMs: 120_000 };
/** @type {import("./rounds.js").Plan} */
const QUICK = { rounds: 12, roundMs: 250, warmUpMs: 800, virtualRounds: 1, deadlineMs: 30_000 };

/**
 * @template {{ readonly name: string }} T
 * @param {string} what
 * @param {readonly T[]} table
 * @param {readonly string[] | undefined} names all if there are none
 */
function pick(what, table, names) {
  const known = new Set(table.map(({ name }) => name));
  const unknown = names?.find((name) => !known.has(name));
  if (unknown !== undefined) throw new Error(`--${what} ${unknown}: there is ${[...known].join(", ")}`);
  return names === undefined ? table : table.filter(({ name }) => names.includes(name));
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      scenario: { type: "string", multiple: true },
      peer: { type: "string", multiple: true },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const contestants = pick("peer", peers, values.peer && ["sendall", ...values.peer]);
  const picked = new Set(pick("scenario", everything, values.scenario).map(({ name }) => name));
  const chosen = scenarios.filter(({ name }) => picked.has(name));
  const isAsked = values.scenario !== undefined || !values.quick;
  const virtual = virtualScenarios.filter(({ name, isLong }) => picked.has(name) && (isAsked || !isLong));
  const plan = values.quick ? QUICK : FULL;
  const cores = findCores();
  const run = { ...about(), cores, plan, versions: Object.fromEntries(contestants.map((p) => [p.name, versionOf(p)])) };

  if (!values.json) console.log(header(run, contestants, chosen));
  const deadline = AbortSignal.timeout(plan.deadlineMs * picked.size);
  const results = [];
  for (const scenario of chosen) {
    const result = await runScenario(scenario, contestants, { plan, cores, deadline, profile: values.profile });
    results.push(result);
    if (!values.json) console.log(row(result));
  }
  const virtualResults = [];
  if (!values.json && virtual.length > 0) console.log(virtualHeader());
  for (const scenario of virtual) {
    const result = await runVirtual(scenario, plan.virtualRounds, cores, deadline);
    virtualResults.push(result);
    if (!values.json) console.log(virtualRow(result));
  }
  if (values.json) console.log(toJson(run, results, virtualResults));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
