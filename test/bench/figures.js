// @ts-check
/**
 * The figures of the documentation. Each is the range over the stored runs of the benchmark, `results/*.json`; `test/site/figures.test.ts`
 * compares the pages with the files.
 *
 *   node test/bench/figures.js --run      one run of the scenarios below, stored as a new file in results/ (about four minutes)
 *   node test/bench/figures.js            prints all tables
 *   node test/bench/figures.js --write    puts them into the pages
 *
 * Runs belong on a machine with nothing else to do, after `npm run build`. Files of other versions go before new ones come.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

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

/**
 * @typedef {object} TableRow
 * @property {string} label put before the title that the run has stored
 * @property {string} scenario
 * @property {number} [row] of the scenario: the first if there are several
 * @property {string} [metric] "cpu" by default
 */

/**
 * @typedef {object} Table
 * @property {readonly string[]} peers the columns
 * @property {string} [unit] of all rows; without it, a row names its own
 * @property {string} [rival] whose figure Sendall's is divided by in the last column
 * @property {readonly TableRow[]} rows
 */

const RESULTS = new URL("results/", import.meta.url);
const ROUNDS = "3";

/** The documents whose figures come from the stored runs. */
export const PAGES = ["README.md", "docs/how-fast.md", "docs/how-far-it-scales.md"];

/** @type {Readonly<Record<string, string>>} */
const NAMES = { sendall: "Sendall", ws: "ws", "socket.io": "Socket.IO", bun: "Bun" };
const ALL = ["sendall", "ws", "socket.io", "bun"];
const MESSAGE = "µs of server CPU per message";

/** @type {Readonly<Record<string, Table>>} */
export const tables = {
  summary: {
    peers: ALL,
    rival: "ws",
    rows: [
      { label: "A busy room", scenario: "busy-room" },
      { label: "Many rooms", scenario: "rooms" },
      { label: "A single talker", scenario: "lone-talker" },
      { label: "Echo", scenario: "echo" },
      { label: "Compressed", scenario: "compressed", row: 1 },
      { label: "Idle connections", scenario: "idle", metric: "rss" },
      { label: "Slow readers", scenario: "stalled", row: 1, metric: "p99" },
    ],
  },
  "fan-out": {
    peers: ALL,
    unit: MESSAGE,
    rival: "ws",
    rows: [
      { label: "A busy room", scenario: "busy-room" },
      { label: "Many rooms", scenario: "rooms" },
      { label: "A single talker", scenario: "lone-talker" },
      { label: "Echo", scenario: "echo" },
      { label: "Compressed", scenario: "compressed", row: 0 },
      { label: "Compressed", scenario: "compressed", row: 1 },
    ],
  },
  typed: {
    peers: ["sendall"],
    unit: MESSAGE,
    rows: [
      { label: "Typed", scenario: "typed", row: 0 },
      { label: "Untyped", scenario: "typed", row: 1 },
      { label: "Typed", scenario: "typed", row: 2 },
    ],
  },
  sessions: {
    peers: ["sendall"],
    unit: MESSAGE,
    rows: [
      { label: "With sessions", scenario: "sessions", row: 0 },
      { label: "Without", scenario: "sessions", row: 1 },
    ],
  },
  idle: {
    peers: ALL,
    rival: "ws",
    unit: "kB resident per connection",
    rows: [{ label: "Idle connections", scenario: "idle", metric: "rss" }],
  },
  stalled: {
    peers: ["sendall", "ws"],
    rival: "ws",
    rows: [
      { label: "All read", scenario: "stalled", row: 0, metric: "p99" },
      { label: "Slow readers", scenario: "stalled", row: 1, metric: "p99" },
      { label: "All read", scenario: "stalled", row: 0, metric: "rss" },
      { label: "Slow readers", scenario: "stalled", row: 1, metric: "rss" },
    ],
  },
  growth: {
    peers: ["sendall", "ws", "bun"],
    rival: "ws",
    unit: MESSAGE,
    rows: [
      { label: "One room", scenario: "growth", row: 0 },
      { label: "One room", scenario: "growth", row: 1 },
    ],
  },
  cluster: {
    peers: ["sendall", "socket.io"],
    unit: MESSAGE,
    rows: [
      { label: "Busy", scenario: "cluster", row: 0 },
      { label: "Busy", scenario: "cluster", row: 1 },
      { label: "Single", scenario: "cluster", row: 2 },
      { label: "Single", scenario: "cluster", row: 3 },
      { label: "Single", scenario: "cluster", row: 4 },
    ],
  },
};

const scenarios = [...new Set(Object.values(tables).flatMap(({ rows }) => rows.map(({ scenario }) => scenario)))];

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
 * @returns {string} `"–"` if a run has none
 */
export function range(values) {
  if (values.length === 0 || values.some((value) => !Number.isFinite(value))) return "–";
  const [low, high] = [round(Math.min(...values)), round(Math.max(...values))];
  return low === high ? low : `${low}–${high}`;
}

/**
 * @param {StoredRun} run
 * @param {TableRow} wanted
 */
function find(run, { scenario, row = 0 }) {
  return run.rows.filter((one) => one.scenario === scenario)[row];
}

/**
 * @param {StoredRow | undefined} row
 * @param {string} peer
 * @param {string} metric
 * @returns {number} NaN if the peer took no part
 */
function figureOf(row, peer, metric) {
  const value = row?.figures.find((one) => one.peer === peer)?.[metric];
  return typeof value === "number" ? value : Number.NaN;
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
    const titles = new Set(found.map((row) => row?.title));
    const [title] = titles;
    if (title === undefined || titles.size > 1)
      throw new Error(`${wanted.scenario}, row ${wanted.row ?? 0}: the stored runs do not agree: ${[...titles]}`);
    const its = found[0]?.metrics.find(({ key }) => key === metric)?.unit;
    const about = unit === undefined ? [`${label}: ${title}`, its] : [`${label}: ${title}`];
    const cells = peers.map((peer) => range(found.map((row) => figureOf(row, peer, metric))));
    if (rival !== undefined)
      cells.push(range(found.map((row) => figureOf(row, "sendall", metric) / figureOf(row, rival, metric))));
    return [...about, ...cells];
  });
  const markdown = [heads, heads.map((_, i) => (i < heads.length - columns ? "---" : "---:")), ...lines];
  return markdown.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/**
 * What was run, where and when.
 * @param {readonly StoredRun[]} runs
 */
function renderRuns(runs) {
  const each = (/** @type {(run: StoredRun) => string} */ read) => [...new Set(runs.map(read))].join("; ");
  const peers = each(({ versions: { sendall: _, ...others } }) =>
    Object.entries(others)
      .map(([peer, version]) => `${NAMES[peer] ?? peer} ${version}`)
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
    const mine = figureOf(find(run, { label: "", scenario, row }), "sendall", metric);
    const theirs = isRow
      ? figureOf(find(run, { label: "", scenario, row: Number(other) }), "sendall", metric)
      : figureOf(find(run, { label: "", scenario, row }), other, metric);
    return mine / theirs;
  });
  const text = range(values);
  if (text === "–") throw new Error(`no ratio ${name} in the stored runs`);
  return text;
}

// What is replaced has no comment within, so a comment that is left open takes nothing else along.
const BLOCK = /(<!-- figures: ([\w-]+) -->\n)(?:(?!<!--)[\s\S])*(<!-- \/figures -->)/g;
const INLINE = /(<!-- ratio: ([^>]+?) -->)[^<]*(<!-- \/ratio -->)/g;

/**
 * @param {string} markdown
 * @param {readonly StoredRun[]} runs
 * @returns {string} with the figures of the stored runs between the comments
 */
export function fill(markdown, runs) {
  const render = (/** @type {string} */ name) => (name === "runs" ? renderRuns(runs) : renderTable(name, runs));
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

/** @param {boolean} isQuick */
function store(isQuick) {
  const names = scenarios.flatMap((name) => ["--scenario", name]);
  const plan = isQuick ? ["--quick"] : ["--rounds", ROUNDS];
  const peers = isQuick ? [] : ALL.slice(1).flatMap((name) => ["--peer", name]);
  const args = [fileURLToPath(new URL("run.js", import.meta.url)), "--json", ...plan, ...names, ...peers];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 100_000_000,
  });
  if (status !== 0) throw new Error("the run has failed, and is not stored");
  const run = /** @type {StoredRun} */ (JSON.parse(stdout));
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
    return;
  }
  for (const page of PAGES) {
    const file = new URL(`../../${page}`, import.meta.url);
    const markdown = readFileSync(file, "utf8");
    writeFileSync(file, fill(markdown, runs));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
