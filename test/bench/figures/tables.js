// @ts-check
/** The tables of the pages: which figures of which scenarios, beside whom. */

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

/** The documents whose figures come from the stored runs. */
export const PAGES = ["README.md", "docs/how-fast.md", "docs/how-far-it-scales.md"];

/** @type {Readonly<Record<string, string>>} */
export const NAMES = {
  sendall: "Sendall",
  ws: "ws",
  "socket.io": "Socket.IO",
  bun: "Bun",
  "sendall-bun": "Sendall on Bun",
  "sendall-deno": "Sendall on Deno",
};
const ALL = ["sendall", "ws", "socket.io", "bun"];
const MESSAGE = "µs of server CPU per message";

const SMALL_MESSAGES = [
  { label: "A busy room", scenario: "busy-room" },
  { label: "Many rooms", scenario: "rooms" },
  { label: "A single talker", scenario: "lone-talker" },
  { label: "Echo", scenario: "echo" },
];

/** @type {Readonly<Record<string, Table>>} */
export const tables = {
  summary: {
    peers: ALL,
    rival: "ws",
    rows: [
      ...SMALL_MESSAGES,
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
      ...SMALL_MESSAGES,
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
  connections: {
    peers: ALL,
    rival: "ws",
    rows: [
      { label: "Idle", scenario: "idle", metric: "rss" },
      { label: "Now and then", scenario: "now-and-then", metric: "rss" },
      { label: "Now and then", scenario: "now-and-then" },
      { label: "Accepted", scenario: "accept" },
    ],
  },
  tls: {
    peers: ALL,
    rival: "ws",
    rows: [
      { label: "A busy room", scenario: "tls", row: 0 },
      { label: "A single talker", scenario: "tls", row: 1 },
      { label: "Accepted", scenario: "tls-accept" },
    ],
  },
  latency: {
    peers: ALL,
    rows: ["p50", "p99", "p999", "rate", "share"].map((metric) => ({
      label: "Half of the capacity",
      scenario: "latency",
      metric,
    })),
  },
  runtimes: {
    peers: ["sendall", "sendall-bun", "sendall-deno", "bun"],
    unit: MESSAGE,
    rows: [
      { label: "A busy room", scenario: "runtimes", row: 0 },
      { label: "Echo", scenario: "runtimes", row: 1 },
    ],
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
      { label: "Busy", scenario: "workers", row: 0 },
      { label: "Single", scenario: "cluster", row: 2 },
      { label: "Single", scenario: "cluster", row: 3 },
      { label: "Single", scenario: "cluster", row: 4 },
      { label: "Single", scenario: "workers", row: 1 },
    ],
  },
};

/** What a stored run has to have. */
export const neededScenarios = [
  ...new Set(Object.values(tables).flatMap(({ rows }) => rows.map(({ scenario }) => scenario))),
];
export const neededPeers = [...new Set(Object.values(tables).flatMap(({ peers }) => peers))];
