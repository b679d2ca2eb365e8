// @ts-check
/**
 * `npm run bench`: what Sendall's server and other servers cost, side by side, in CPU time and memory. Server and load are
 * processes of their own; the servers take turns, so that they meet the same weather on a shared machine. Absolute figures
 * say little from one machine, or one minute, to the next: trust the ratios of one run. A message that is lost, comes twice or
 * to somebody else fails the run. Then, how much real time tests take in virtual time.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findCores } from "./cores.js";
import { getReady, peers, versionOf } from "./peers.js";
import { about, goals, header, table, toJson, virtualHeader, virtualRow } from "./report.js";
import { runScenario } from "./rounds.js";
import { scenarios } from "./scenarios.js";
import { runVirtual, virtualScenarios } from "./virtual/scenarios.js";

const everything = [...scenarios, ...virtualScenarios];

const QUICK_PEERS = ["ws", "sendall-bun", "sendall-deno"];

const USAGE = `npm run bench -- [options]

  --quick             1,000 sockets at most, one round, ${QUICK_PEERS.join(", ")} the only peers: a minute or two
  --scenario <name>   only this one; may be repeated: ${everything.map(({ name }) => name).join(", ")}
  --peer <name>       only these besides sendall; may be repeated: ${peers.map(({ name }) => name).join(", ")}
  --rounds <number>   so many in place of the usual; half as many of those with new servers
  --profile <folder>  write a CPU profile of each server (the figures are higher then)
  --json              the results as JSON on stdout, and nothing else there
  --scale             how far a cluster scales, played in virtual time: see --scale --help
  --help`;

/** @type {import("./rounds.js").Plan} */
const FULL = {
  isQuick: false,
  rounds: 12,
  crowdRounds: 8,
  freshRounds: 6,
  virtualRounds: 3,
  roundMs: 400,
  warmUpMs: 1_500,
  deadlineMs: 600_000,
};
/** @type {import("./rounds.js").Plan} */
const QUICK = {
  isQuick: true,
  rounds: 1,
  crowdRounds: 1,
  freshRounds: 1,
  virtualRounds: 1,
  roundMs: 200,
  warmUpMs: 150,
  deadlineMs: 30_000,
};

/**
 * @template {{ readonly name: string }} T
 * @param {string} what
 * @param {readonly T[]} from
 * @param {readonly string[] | undefined} names all if there are none
 */
function pick(what, from, names) {
  const known = new Set(from.map(({ name }) => name));
  const unknown = names?.find((name) => !known.has(name));
  if (unknown !== undefined) throw new Error(`--${what} ${unknown}: there is ${[...known].join(", ")}`);
  return names === undefined ? from : from.filter(({ name }) => names.includes(name));
}

/**
 * @param {boolean} isQuick
 * @param {string | undefined} rounds
 */
function planFor(isQuick, rounds) {
  const plan = isQuick ? QUICK : FULL;
  if (rounds === undefined) return plan;
  const count = Number(rounds);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--rounds ${rounds}: expected a number from 1`);
  const freshRounds = Math.ceil(count / 2);
  return { ...plan, rounds: count, crowdRounds: count, freshRounds, deadlineMs: plan.deadlineMs * count };
}

/**
 * In a process of its own, with the collector in reach and room for many nodes.
 * @param {readonly string[]} args
 */
function playScale(args) {
  const program = fileURLToPath(new URL("scale/main.js", import.meta.url));
  const { status } = spawnSync(process.execPath, ["--expose-gc", "--max-old-space-size=8192", program, ...args], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
}

async function main() {
  const args = process.argv.slice(2);
  if (args.includes("--scale")) return playScale(args.filter((arg) => arg !== "--scale"));
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      scenario: { type: "string", multiple: true },
      peer: { type: "string", multiple: true },
      rounds: { type: "string" },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const picked = new Set(pick("scenario", everything, values.scenario).map(({ name }) => name));
  const chosen = scenarios.filter(({ name }) => picked.has(name));
  const isAsked = values.scenario !== undefined || !values.quick;
  const virtual = virtualScenarios.filter(({ name, isLong }) => picked.has(name) && (isAsked || !isLong));
  const names = values.peer ?? (values.quick ? QUICK_PEERS : undefined);
  const plan = planFor(values.quick, values.rounds);
  const contestants = getReady(pick("peer", peers, names && ["sendall", ...names]), console.error);
  const cores = findCores();
  const run = { ...about(), cores, plan, versions: Object.fromEntries(contestants.map((p) => [p.name, versionOf(p)])) };

  const say = values.json ? () => {} : console.log;
  if (chosen.length > 0) say(header(run, contestants));
  const results = [];
  for (const scenario of chosen) {
    try {
      const result = await runScenario(scenario, { plan, peers: contestants, cores, profile: values.profile });
      results.push(result);
      say(table(result, contestants));
    } catch (error) {
      // The others are worth having, after all these minutes.
      fail(`${scenario.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  // One short round says nothing of them.
  if (chosen.length > 0 && !plan.isQuick) say(`\n${goals(results)}`);
  if (virtual.length > 0) say(virtualHeader());
  const virtualResults = [];
  for (const scenario of virtual) {
    const result = await runVirtual(scenario, plan.virtualRounds, cores, AbortSignal.timeout(plan.deadlineMs));
    virtualResults.push(result);
    say(virtualRow(result));
  }
  if (values.json) console.log(toJson(run, results, virtualResults));
}

/** @param {string} why */
function fail(why) {
  console.error(`bench: ${why}`);
  process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
