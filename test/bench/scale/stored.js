// @ts-check
/** The stored runs of `--scale`, and what they take from the other runs of the benchmark. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { figureOf, find, RESULTS, readRuns } from "../figures/runs.js";

const FOLDER = new URL("scale/", RESULTS);

/** @returns {import("./report.js").ScaleRun | undefined} the newest */
export function readScaleRun() {
  if (!existsSync(FOLDER)) return undefined;
  const name = readdirSync(FOLDER).sort().at(-1);
  return name === undefined ? undefined : JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
}

/** @param {import("./report.js").ScaleRun} run @returns {URL} */
export function storeScaleRun(run) {
  mkdirSync(FOLDER, { recursive: true });
  const file = new URL(`${run.date.replaceAll(":", "-").slice(0, 19)}.json`, FOLDER);
  writeFileSync(file, `${JSON.stringify(run, undefined, 2)}\n`);
  return file;
}

/** What an idle connection takes, in kB, of the stored runs. */
export function idleKB() {
  const all = readRuns().map((run) => figureOf(find(run, { scenario: "idle" }), "sendall", "rss"));
  if (all.length === 0) throw new Error("no run is stored: node test/bench/figures.js --run");
  return Math.min(...all);
}
