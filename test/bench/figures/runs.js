// @ts-check
/** The stored runs of the benchmark, `results/*.json`, and how a figure of several runs is written. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * @typedef {{ readonly key: string, readonly unit: string }} Metric
 * @typedef {{ readonly peer: string, readonly [metric: string]: unknown }} Figures
 * @typedef {object} StoredRow
 * @property {string} scenario
 * @property {string} title
 * @property {readonly Metric[]} metrics
 * @property {readonly Figures[]} figures
 * @typedef {object} StoredRun what `npm run bench -- --json` prints
 * @property {string} date
 * @property {string} node
 * @property {string} machine
 * @property {{ readonly isQuick: boolean, readonly rounds: number }} plan
 * @property {Readonly<Record<string, string>>} versions of the peers
 * @property {readonly StoredRow[]} rows
 */

export const RESULTS = new URL("../results/", import.meta.url);

/** @returns {StoredRun[]} oldest first */
export function readRuns() {
  if (!existsSync(RESULTS)) return [];
  const files = readdirSync(RESULTS).filter((name) => name.endsWith(".json"));
  const runs = files.map((name) => /** @type {StoredRun} */ (JSON.parse(readFileSync(new URL(name, RESULTS), "utf8"))));
  return runs.toSorted((a, b) => a.date.localeCompare(b.date));
}

/**
 * The one rounding rule: two significant digits, and whole numbers from 100 on to three.
 * @param {number} value
 */
export function round(value) {
  const rounded = Number(value.toPrecision(value >= 100 ? 3 : 2));
  const decimals = rounded >= 10 ? 0 : 1 - Math.floor(Math.log10(rounded));
  return rounded.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/**
 * @param {readonly number[]} values one of each run
 * @param {(value: number) => string} write
 * @returns {string} `"–"` if a run has none
 */
export function range(values, write = round) {
  if (values.length === 0 || values.some((value) => !Number.isFinite(value))) return "–";
  const [low, high] = [write(Math.min(...values)), write(Math.max(...values))];
  return low === high ? low : `${low}–${high}`;
}

/**
 * @param {StoredRun} run
 * @param {{ readonly scenario: string, readonly row?: number }} wanted the scenario's first row by default
 */
export function find(run, { scenario, row = 0 }) {
  return run.rows.filter((one) => one.scenario === scenario)[row];
}

/**
 * @param {StoredRow | undefined} row
 * @param {string} peer
 * @param {string} metric
 * @returns {number} NaN if the peer took no part
 */
export function figureOf(row, peer, metric) {
  const value = row?.figures.find((one) => one.peer === peer)?.[metric];
  return typeof value === "number" ? value : Number.NaN;
}
