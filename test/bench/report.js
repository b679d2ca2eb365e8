// @ts-check
/** What a run prints: a table that grows as scenarios end and the verdict on its goals, or JSON. */
import { spawnSync } from "node:child_process";
import { arch, cpus, platform } from "node:os";
import { judge, ratioOf } from "./goals.js";
import { virtualScenarios } from "./virtual/scenarios.js";

/**
 * @typedef {ReturnType<typeof about> & {
 *   readonly cores: import("./cores.js").Cores,
 *   readonly plan: import("./rounds.js").Plan,
 *   readonly versions: Readonly<Record<string, string>>,
 * }} Run
 * @typedef {import("./rounds.js").Result} Result
 */

const NAME_WIDTH = 44;
const FIGURE_WIDTH = 13;
/** Whom the ratios are about. */
const RIVALS = ["ws", "bun"];

/** On what it runs. */
export function about() {
  return {
    date: new Date().toISOString(),
    node: process.version,
    commit: commit(),
    machine: `${platform()} ${arch()}, ${cpus().length} cores`,
  };
}

function commit() {
  const folder = new URL(".", import.meta.url);
  const { stdout, status } = spawnSync("git", ["describe", "--always", "--dirty"], { cwd: folder, encoding: "utf8" });
  return status === 0 ? stdout.trim() : "unknown";
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? Number.NaN) + (sorted[(sorted.length - 1) >> 1] ?? Number.NaN)) / 2;
}

/**
 * The rounds' figures as one.
 * @param {Result} result
 * @param {number} row
 * @param {string} peer
 * @param {string} key
 * @returns {number} NaN if it took no part
 */
function figure({ scenario, rows, contestants }, row, peer, key) {
  const metric = scenario.measure.metrics.find((one) => one.key === key);
  const contestant = contestants.find((one) => one.row === rows[row] && one.peer.name === peer);
  const values = contestant?.rounds.map((round) => round[key] ?? Number.NaN) ?? [];
  if (values.length === 0 || metric === undefined) return Number.NaN;
  if (metric.over === "median") return median(values);
  if (metric.over === "last") return values.at(-1) ?? Number.NaN;
  return metric.best === "least" ? Math.min(...values) : Math.max(...values);
}

/** @param {number} value */
function show(value) {
  if (Number.isNaN(value)) return "";
  if (value >= 10_000) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

/**
 * Sendall's goals in this scenario, as far as their peers took part.
 * @param {Result} result
 */
function verdicts(result) {
  return result.scenario.goals.flatMap((goal) => {
    const { metric, row = 0, peer, of = row, must, want } = goal;
    const got = ratioOf(goal, (...which) => figure(result, ...which));
    if (Number.isNaN(got)) return [];
    const than = of === row ? peer : `${peer} with ${result.rows[of]?.title}`;
    const title = result.rows[row]?.title;
    return [{ scenario: result.scenario.name, row: title, metric, than, must, want, got, verdict: judge(goal, got) }];
  });
}

/** @type {Readonly<Record<import("./goals.js").Verdict, string>>} */
const VERDICTS = { wanted: "met, as wanted", within: "met", missed: "MISSED" };

/**
 * @param {Run} run
 * @param {readonly import("./peers.js").Peer[]} peers
 */
export function header(run, peers) {
  const { node, commit, machine, cores, plan, versions } = run;
  const names = peers.map(({ name }) => name);
  return [
    `Node ${node}, commit ${commit}, ${names.map((name) => `${name} ${versions[name]}`).join(", ")}`,
    `${machine}; ${cores.summary}; the best of ${plan.rounds} rounds of ${plan.roundMs} ms each, run in turn`,
    "",
    [
      "".padEnd(NAME_WIDTH),
      ...names.map((name) => name.padStart(FIGURE_WIDTH)),
      ...rivals(peers).map((name) => `÷ ${name}`.padStart(FIGURE_WIDTH)),
    ].join(""),
  ].join("\n");
}

/** @param {readonly import("./peers.js").Peer[]} peers */
function rivals(peers) {
  return RIVALS.filter((rival) => peers.some(({ name }) => name === rival));
}

/**
 * @param {Result} result
 * @param {readonly import("./peers.js").Peer[]} peers
 */
export function table(result, peers) {
  const lines = result.rows.flatMap((row, i) => [
    `${result.scenario.name}: ${row.title}`,
    ...result.scenario.measure.metrics.map(({ key, unit }) => {
      const of = (/** @type {string} */ peer) => figure(result, i, peer, key);
      return [
        `  ${unit}`.padEnd(NAME_WIDTH),
        ...peers.map(({ name }) => show(of(name)).padStart(FIGURE_WIDTH)),
        ...rivals(peers).map((rival) => show(of("sendall") / of(rival)).padStart(FIGURE_WIDTH)),
      ].join("");
    }),
  ]);
  return lines.join("\n");
}

/** @param {readonly Result[]} results */
export function goals(results) {
  const lines = results.flatMap(verdicts).map(({ scenario, row, metric, than, must, want, got, verdict }) => {
    const limits = `must ${show(must)}, want ${show(want)}`;
    return `${VERDICTS[verdict].padEnd(14)} ${scenario}, ${row}: ${metric} ÷ ${than} = ${show(got)} (${limits})`;
  });
  return ["goals (of a full run on a machine at rest):", ...lines].join("\n");
}

const TITLE_WIDTH = Math.max(...virtualScenarios.map(({ title }) => title.length)) + 2;

export function virtualHeader() {
  return `\n${"virtual time".padEnd(TITLE_WIDTH)}${"real seconds".padStart(12)}`;
}

/** @param {import("./virtual/scenarios.js").VirtualResult} result */
export function virtualRow({ scenario: { title, goal }, seconds }) {
  const best = Math.min(...seconds);
  const verdict = goal === undefined ? "" : `, ${best <= goal ? "within" : "over"} ${goal}`;
  return `${title.padEnd(TITLE_WIDTH)}${best.toFixed(2).padStart(12)}${verdict}`;
}

/**
 * @param {Run} run
 * @param {readonly Result[]} results
 * @param {readonly import("./virtual/scenarios.js").VirtualResult[]} virtual
 */
export function toJson({ cores, ...run }, results, virtual) {
  const virtualRows = virtual.map(({ scenario, seconds }) => ({ ...scenario, minimum: Math.min(...seconds), seconds }));
  const rows = results.flatMap((result) =>
    result.rows.map((row, i) => ({
      scenario: result.scenario.name,
      title: row.title,
      role: row.role,
      settings: row.settings,
      metrics: result.scenario.measure.metrics,
      figures: result.contestants
        .filter((one) => one.row === row)
        .map(({ peer: { name }, rounds }) => ({
          peer: name,
          ...Object.fromEntries(result.scenario.measure.metrics.map(({ key }) => [key, figure(result, i, name, key)])),
          rounds,
        })),
    })),
  );
  return JSON.stringify(
    { ...run, cores: cores.summary, rows, goals: results.flatMap(verdicts), virtual: virtualRows },
    undefined,
    2,
  );
}
