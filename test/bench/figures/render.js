// @ts-check
/** The figures of the stored runs as Markdown, and where they go in a page. */
import { scenarios } from "../scenarios.js";
import { renderGoals } from "./goals.js";
import { figureOf, find, range } from "./runs.js";
import { NAMES, tables } from "./tables.js";

/** @typedef {import("./runs.js").StoredRun} StoredRun */

/** @param {string} name */
function scenarioOf(name) {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return scenario;
}

/**
 * @param {string} scenario
 * @param {string} metric
 */
function unitOf(scenario, metric) {
  const unit = scenarioOf(scenario).measure.metrics.find(({ key }) => key === metric)?.unit;
  if (unit === undefined) throw new Error(`${scenario} does not measure ${metric}`);
  return unit;
}

/**
 * @param {import("./tables.js").TableRow} wanted
 * @param {readonly StoredRun[]} runs
 * @returns {string | undefined} none if no run has the scenario yet
 */
function titleOf(wanted, runs) {
  const { scenario, row = 0 } = wanted;
  const titles = new Set(runs.map((run) => find(run, wanted)?.title));
  if (titles.size > 1) throw new Error(`${scenario}, row ${row}: the stored runs do not agree: ${[...titles]}`);
  return [...titles][0];
}

/**
 * @param {string} name of `tables`
 * @param {readonly StoredRun[]} runs
 * @returns {string} Markdown
 */
export function renderTable(name, runs) {
  const table = tables[name];
  if (table === undefined) throw new Error(`no table ${name}: there is ${Object.keys(tables).join(", ")}`);
  const { peers, unit, rival, rows } = table;
  const heads = [...(unit === undefined ? ["", "figure"] : [unit]), ...peers.map((peer) => NAMES[peer] ?? peer)];
  if (rival !== undefined) heads.push(`Sendall ÷ ${rival}`);
  const columns = peers.length + (rival === undefined ? 0 : 1);
  const lines = rows.map((wanted) => {
    const { label, metric = "cpu" } = wanted;
    const found = runs.map((run) => find(run, wanted));
    const title = titleOf(wanted, runs);
    const its = unitOf(wanted.scenario, metric);
    const named = title === undefined ? label : `${label}: ${title}`;
    const about = unit === undefined ? [named, its] : [named];
    const cells = peers.map((peer) => range(found.map((row) => figureOf(row, peer, metric))));
    if (rival !== undefined)
      cells.push(range(found.map((row) => figureOf(row, "sendall", metric) / figureOf(row, rival, metric))));
    return [...about, ...cells];
  });
  const markdown = [heads, heads.map((_, i) => (i < heads.length - columns ? "---" : "---:")), ...lines];
  return markdown.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Whose version is told; Sendall on Bun has the version of Bun. @type {Readonly<Record<string, string>>} */
const PROGRAMS = { ws: "ws", "socket.io": "Socket.IO", bun: "Bun", "sendall-deno": "Deno" };

/**
 * What was run, where and when.
 * @param {readonly StoredRun[]} runs
 */
export function renderRuns(runs) {
  const each = (/** @type {(run: StoredRun) => string} */ read) => [...new Set(runs.map(read))].join("; ");
  const peers = each(({ versions }) =>
    Object.entries(versions)
      .flatMap(([peer, version]) => (PROGRAMS[peer] === undefined ? [] : [`${PROGRAMS[peer]} ${version}`]))
      .join(", "),
  );
  const quick = runs.some(({ plan }) => plan.isQuick) ? " **A quick run on a busy machine: not to be quoted.**" : "";
  const count = runs.length === 1 ? "One run" : `The range over ${runs.length} runs`;
  const days = each(({ date }) => date.slice(0, 10));
  return `${count}, ${days}; Node ${each(({ node }) => node.slice(1))}, ${peers}; ${each(({ machine }) => machine)}.${quick}`;
}

/**
 * Sendall's figure divided by another: `busy-room/ws`, or of another row of the scenario: `sessions:0/1`.
 * @param {string} name
 * @param {readonly StoredRun[]} runs
 */
function renderRatio(name, runs) {
  const [, scenario = "", first, other = "", metric = "cpu"] =
    /^([\w-]+)(?::(\d))?\/([\w.]+)(?: (\w+))?$/.exec(name) ?? [];
  const row = Number(first ?? 0);
  const isRow = /^\d$/.test(other);
  const values = runs.map((run) => {
    const mine = figureOf(find(run, { scenario, row }), "sendall", metric);
    const theirs = isRow
      ? figureOf(find(run, { scenario, row: Number(other) }), "sendall", metric)
      : figureOf(find(run, { scenario, row }), other, metric);
    return mine / theirs;
  });
  const text = range(values);
  if (text === "–") throw new Error(`no ratio ${name} in the stored runs`);
  return text;
}

// What is replaced has no comment within, so a comment that is left open takes nothing else along.
const BLOCK = /(<!-- figures: ([\w-]+) -->\n)(?:(?!<!--)[\s\S])*(<!-- \/figures -->)/g;
const INLINE = /(<!-- ratio: ([^>]+?) -->)[^<]*(<!-- \/ratio -->)/g;

/** What is no table of figures. @type {Readonly<Record<string, (runs: readonly StoredRun[]) => string>>} */
const blocks = { runs: renderRuns, goals: renderGoals };

/**
 * @param {string} markdown
 * @param {readonly StoredRun[]} runs
 * @returns {string} with the figures of the stored runs between the comments
 */
export function fill(markdown, runs) {
  const render = (/** @type {string} */ name) => blocks[name]?.(runs) ?? renderTable(name, runs);
  return markdown
    .replace(BLOCK, (_, before, name, after) => `${before}\n${render(name)}\n\n${after}`)
    .replace(INLINE, (_, before, name, after) => before + renderRatio(name, runs) + after);
}

/**
 * @param {string} markdown
 * @returns {string} without what stands between the comments
 */
export function withoutFigures(markdown) {
  return markdown.replace(BLOCK, "").replace(INLINE, "");
}
