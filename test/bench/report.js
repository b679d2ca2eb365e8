// @ts-check
/** What a run prints: a table that grows as scenarios end, or JSON. */
import { spawnSync } from "node:child_process";
import { arch, cpus, platform } from "node:os";
import { scenarios } from "./scenarios.js";
import { virtualScenarios } from "./virtual/scenarios.js";

/**
 * @typedef {ReturnType<typeof about> & {
 *   readonly cores: import("./cores.js").Cores,
 *   readonly plan: import("./rounds.js").Plan,
 *   readonly versions: Readonly<Record<string, string>>,
 * }} Run
 * @typedef {import("./rounds.js").Result} Result
 */

const NAME_WIDTH = Math.max(...scenarios.map(({ title }) => title.length)) + 2;
const FIGURE_WIDTH = 10;
const RATIO_WIDTH = 26;

/** On what it runs. */
export function about() {
  return { node: process.version, commit: commit(), machine: `${platform()} ${arch()}, ${cpus().length} cores` };
}

function commit() {
  const folder = new URL(".", import.meta.url);
  const { stdout, status } = spawnSync("git", ["describe", "--always", "--dirty"], { cwd: folder, encoding: "utf8" });
  return status === 0 ? stdout.trim() : "unknown";
}

/** @param {readonly number[]} values */
const minimum = (values) => Math.min(...values);

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? Number.NaN) + (sorted[(sorted.length - 1) >> 1] ?? Number.NaN)) / 2;
}

/**
 * Sendall against each other peer: the ratio of the minima, which is the result, and the median of the ratios of each two
 * neighbouring rounds, which shows whether the minima were a stroke of luck.
 * @param {Result} result
 */
function ratios({ scenario, figures: [own, ...others] }) {
  if (own === undefined) return [];
  return others.map(({ peer, rounds }) => ({
    peer,
    ratio: minimum(own.rounds) / minimum(rounds),
    medianRatio: median(rounds.map((value, i) => (own.rounds[i] ?? Number.NaN) / value)),
    goal: scenario.goals[peer],
  }));
}

/**
 * @param {Run} run
 * @param {readonly import("./peers.js").Peer[]} peers
 * @param {readonly import("./scenarios.js").Scenario[]} chosen
 */
export function header(run, peers, chosen) {
  const { node, commit, machine, cores, plan, versions } = run;
  const names = peers.map(({ name }) => name);
  const units = [...new Set(chosen.map(({ measure }) => measure.unit))];
  const lines = [
    `Node ${node}, commit ${commit}, ${names.map((name) => `${name} ${versions[name]}`).join(", ")}`,
    `${machine}; ${cores.summary}`,
  ];
  if (chosen.length === 0) return lines.join("\n");
  lines.push(
    `minimum of ${plan.rounds} rounds of ${plan.roundMs} ms each, run in turn`,
    `${units.join("; ")}; in brackets the median of the rounds' ratios`,
    "",
    [
      "".padEnd(NAME_WIDTH),
      ...names.map((name) => name.padStart(FIGURE_WIDTH)),
      ...names.slice(1).map((name) => `${names[0]} / ${name}`.padStart(RATIO_WIDTH)),
    ].join(""),
  );
  return lines.join("\n");
}

/** @param {Result} result */
export function row(result) {
  return [
    result.scenario.title.padEnd(NAME_WIDTH),
    ...result.figures.map(({ rounds }) => minimum(rounds).toFixed(3).padStart(FIGURE_WIDTH)),
    ...ratios(result).map(({ ratio, medianRatio, goal }) => {
      const verdict = goal === undefined ? "" : `, ${ratio <= goal ? "within" : "over"} ${goal}`;
      return `${ratio.toFixed(3)} (${medianRatio.toFixed(3)})${verdict}`.padStart(RATIO_WIDTH);
    }),
  ].join("");
}

const TITLE_WIDTH = Math.max(...virtualScenarios.map(({ title }) => title.length)) + 2;

export function virtualHeader() {
  return `\n${"virtual time".padEnd(TITLE_WIDTH)}${"real seconds".padStart(12)}`;
}

/** @param {import("./virtual/scenarios.js").VirtualResult} result */
export function virtualRow({ scenario: { title, goal }, seconds }) {
  const best = minimum(seconds);
  const verdict = goal === undefined ? "" : `, ${best <= goal ? "within" : "over"} ${goal}`;
  return `${title.padEnd(TITLE_WIDTH)}${best.toFixed(2).padStart(12)}${verdict}`;
}

/**
 * @param {Run} run
 * @param {readonly Result[]} results
 * @param {readonly import("./virtual/scenarios.js").VirtualResult[]} virtual
 */
export function toJson({ cores, ...run }, results, virtual) {
  const rows = results.map((result) => ({
    name: result.scenario.name,
    title: result.scenario.title,
    unit: result.scenario.measure.unit,
    settings: result.scenario.settings,
    figures: result.figures.map(({ peer, rounds }) => ({ peer, minimum: minimum(rounds), rounds })),
    ratios: ratios(result),
  }));
  const virtualRows = virtual.map(({ scenario, seconds }) => ({ ...scenario, minimum: minimum(seconds), seconds }));
  return JSON.stringify({ ...run, cores: cores.summary, scenarios: rows, virtual: virtualRows }, undefined, 2);
}
