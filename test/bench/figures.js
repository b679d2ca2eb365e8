// @ts-check
/**
 * The figures of the documentation. Each is the range over the stored runs of the benchmark, `results/*.json`; `test/site/figures.test.ts`
 * compares the pages with the files.
 *
 *   node test/bench/figures.js --run      one run of the scenarios of the tables, stored as a new file in results/ (about twelve minutes)
 *   node test/bench/figures.js            prints all tables
 *   node test/bench/figures.js --write    puts them into the pages, with the tables of the stored run of `npm run bench -- --scale --store`
 *
 * Runs belong on a machine with nothing else to do, after `npm run build` and `npm ci --prefix test/runtimes`. Files of other versions,
 * and of other scenarios, go before new ones come.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { renderGoals } from "./figures/goals.js";
import { fill, renderRuns, renderTable } from "./figures/render.js";
import { RESULTS, readRuns } from "./figures/runs.js";
import { neededPeers, neededScenarios, PAGES, tables } from "./figures/tables.js";
import { fillScale, SCALE_PAGES } from "./scale/pages.js";
import { readScaleRun } from "./scale/stored.js";

/** The first after a pause of a server is cold. */
const ROUNDS = "6";

/** @param {boolean} isQuick */
function store(isQuick) {
  const names = neededScenarios.flatMap((name) => ["--scenario", name]);
  const plan = isQuick ? ["--quick"] : ["--rounds", ROUNDS];
  const peers = isQuick ? [] : neededPeers.flatMap((name) => ["--peer", name]);
  const args = [fileURLToPath(new URL("run.js", import.meta.url)), "--json", ...plan, ...names, ...peers];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 100_000_000,
  });
  if (status !== 0) throw new Error("the run has failed, and is not stored");
  const run = /** @type {import("./figures/runs.js").StoredRun} */ (JSON.parse(stdout));
  mkdirSync(RESULTS, { recursive: true });
  const file = new URL(`${isQuick ? "quick-" : ""}${run.date.replaceAll(":", "-").slice(0, 19)}.json`, RESULTS);
  writeFileSync(file, `${JSON.stringify(run, undefined, 2)}\n`);
  console.log(`stored ${fileURLToPath(file)}`);
}

function main() {
  const { values } = parseArgs({
    options: {
      run: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
    },
  });
  if (values.run) return store(values.quick);
  const runs = readRuns();
  if (runs.length === 0) throw new Error("no run is stored: node test/bench/figures.js --run");
  if (!values.write) {
    console.log(renderRuns(runs));
    for (const name of Object.keys(tables)) console.log(`\n${name}\n\n${renderTable(name, runs)}`);
    console.log(`\ngoals\n\n${renderGoals(runs)}`);
    return;
  }
  for (const page of PAGES) {
    const file = new URL(`../../${page}`, import.meta.url);
    const markdown = readFileSync(file, "utf8");
    writeFileSync(file, fill(markdown, runs));
  }
  const scale = readScaleRun();
  if (scale === undefined) throw new Error("no run of the scale is stored: npm run bench -- --scale --store");
  for (const page of SCALE_PAGES) {
    const file = new URL(`../../${page}`, import.meta.url);
    writeFileSync(file, fillScale(readFileSync(file, "utf8"), scale));
  }
}

main();
