// @ts-check
/** What is asked of a server and its load in a round, and the figures that come of it. */

/**
 * @typedef {object} Pair a server and the load that it gets
 * @property {import("./child.js").Child<import("./servers/tell.js").ServerAnswers>} server
 * @property {import("./child.js").Child<import("./load/main.js").LoadAnswers>} load
 */

/**
 * @typedef {object} Metric
 * @property {string} key
 * @property {string} unit
 * @property {"least" | "most"} best
 * @property {"best" | "median" | "last"} over which of the rounds' figures counts: the best where noise only ever adds
 */

/**
 * @typedef {object} Measure
 * @property {string} load of `load/main.js`
 * @property {readonly Metric[]} metrics the first is what it is about
 * @property {readonly string[]} [nodeFlags] for servers that run on Node
 * @property {boolean} isFresh each round has a server of its own
 * @property {(plan: import("./rounds.js").Plan) => number} rounds
 * @property {(pair: Pair, plan: import("./rounds.js").Plan) => Promise<void>} warmUp
 * @property {(pair: Pair, plan: import("./rounds.js").Plan, sockets: number) => Promise<Readonly<Record<string, number>>>} round
 */

/**
 * @param {NodeJS.CpuUsage} before
 * @returns {(after: NodeJS.CpuUsage) => number}
 */
function spent(before) {
  return ({ user, system }) => user + system - before.user - before.system;
}

/** @type {Metric} */
const CPU = { key: "cpu", unit: "µs of server CPU per message", best: "least", over: "best" };
/** @type {readonly Metric[]} */
const LAPS = [
  { key: "perSecond", unit: "delivered per second", best: "most", over: "best" },
  { key: "p50", unit: "ms a lap, p50", best: "least", over: "best" },
  { key: "p99", unit: "ms a lap, p99", best: "least", over: "best" },
];

/** @type {Measure["round"]} */
async function talk({ server, load }, { roundMs }) {
  const before = await server.ask("cpu");
  // Every message has arrived when this is answered, so the server is at rest at both ends of the round.
  const { delivered, ms, p50, p99 } = await load.ask("run", roundMs);
  const cpu = spent(before)(await server.ask("cpu"));
  return { cpu: cpu / delivered, perSecond: (delivered / ms) * 1_000, p50, p99 };
}

/** The compilers have settled after so many; two nodes with two members get there in ten seconds, and would otherwise be measured half warm. */
const WARM_MESSAGES = 100_000;
const MOST_WARM_UPS = 10;

/** @type {Measure} */
export const perMessage = {
  load: "rooms",
  metrics: [CPU, ...LAPS],
  isFresh: false,
  rounds: ({ rounds }) => rounds,
  async warmUp({ server, load }, { warmUpMs, isQuick }) {
    await server.ask("joined");
    const warmUps = isQuick ? 1 : MOST_WARM_UPS;
    for (let i = 0, messages = 0; i < warmUps && messages < WARM_MESSAGES; i++)
      messages += (await load.ask("run", warmUpMs)).delivered;
  },
  round: talk,
};

/** Enough laps for the slowest one of a thousand. */
const OFFER_TIMES = 5;
/** A pause of the machine makes a hundredth of two seconds late, but hits one or two of five parts: their median is the servers' own. */
const OFFER_PARTS = 5;

/**
 * A lap's time where the server is half busy. Each round finds the server's own capacity, the laps per second of a closed loop that
 * keeps the server busy, and then offers half of that at a fixed rate. Laps count from when they were due.
 * @type {Measure}
 */
export const latency = {
  ...perMessage,
  metrics: [
    // Not the best ones: those would be of rounds in which no collection of garbage was in the way.
    { key: "p50", unit: "ms a lap, p50", best: "least", over: "median" },
    { key: "p99", unit: "ms a lap, p99", best: "least", over: "median" },
    { key: "p999", unit: "ms a lap, p99.9", best: "least", over: "median" },
    { key: "rate", unit: "laps per second", best: "most", over: "median" },
    { key: "share", unit: "% of a core", best: "least", over: "median" },
  ],
  async round({ server, load }, { roundMs, isQuick }) {
    const { laps, ms } = await load.ask("run", roundMs);
    const rate = (laps / ms) * 500;
    const before = await server.ask("cpu");
    const offered = await load.ask("offer", isQuick ? roundMs : roundMs * OFFER_TIMES, rate, OFFER_PARTS);
    const cpu = spent(before)(await server.ask("cpu"));
    const { p50, p99, p999 } = offered;
    return { p50, p99, p999, rate, share: cpu / offered.ms / 10 };
  },
};

const MEBIBYTE = 1_048_576;
/** Rounds are longer: the kernel takes megabytes for a member that does not read before anybody notices. */
const STEADY_TIMES = 4;

/** How the others fare while some do not read, and what that costs in memory by the end. @type {Measure} */
export const steadiness = {
  ...perMessage,
  metrics: [
    // Not the best one: that would be a round in which nobody was in the way.
    { key: "p99", unit: "ms a lap, p99", best: "least", over: "median" },
    { key: "rss", unit: "MiB resident at the end", best: "least", over: "last" },
    CPU,
  ],
  async round(pair, plan, sockets) {
    const roundMs = plan.isQuick ? plan.roundMs : plan.roundMs * STEADY_TIMES;
    const figures = await talk(pair, { ...plan, roundMs }, sockets);
    return { ...figures, rss: (await pair.server.ask("memory")) / MEBIBYTE };
  },
};

/** The compilers have settled after so many: before, a thousand cost up to half as much again, and a server with more code has more to lose. */
const WARM_CROWDS = 10;
const WARM_CROWD = 1_000;

/**
 * @param {Pair} pair
 * @param {number} count
 */
async function comeAndGo({ server, load }, count) {
  await load.ask("come", count);
  await load.ask("go");
  await server.ask("empty");
}

/** @type {Measure} */
export const memoryPerConnection = {
  load: "crowd",
  metrics: [
    { key: "rss", unit: "kB resident per connection", best: "least", over: "best" },
    { key: "total", unit: "MB resident in all", best: "least", over: "best" },
  ],
  // A forced collection leaves the young generation as large as it has grown: up to 3 kB for each of 10,000 connections, or none.
  nodeFlags: ["--max-semi-space-size=1"],
  // What has been in use once is not given back whole.
  isFresh: true,
  rounds: ({ freshRounds }) => freshRounds,
  warmUp: (pair) => comeAndGo(pair, 100),
  async round({ server, load }, _plan, sockets) {
    const before = await server.ask("memory");
    await load.ask("come", sockets);
    const after = await server.ask("memory");
    return { rss: (after - before) / sockets / 1_000, total: after / 1e6 };
  },
};

/** Of all connections together. */
const NOW_AND_THEN_PER_SECOND = 1_000;

/**
 * Connections that each send a message now and then, ten thousand of them once in ten seconds: what they take when all of them have
 * talked, and what a message costs a server that has hardly anything to share or to gather.
 * @type {Measure}
 */
export const nowAndThen = {
  ...memoryPerConnection,
  load: "visitors",
  metrics: [
    CPU,
    { key: "rss", unit: "kB resident per connection", best: "least", over: "best" },
    { key: "p50", unit: "ms a lap, p50", best: "least", over: "best" },
    { key: "p99", unit: "ms a lap, p99", best: "least", over: "best" },
  ],
  // It takes ten seconds to hear everybody.
  rounds: () => 1,
  warmUp: async () => {},
  async round({ server, load }, { warmUpMs }, sockets) {
    const empty = await server.ask("memory");
    await load.ask("come", sockets);
    await load.ask("offer", warmUpMs, NOW_AND_THEN_PER_SECOND);
    const before = await server.ask("cpu");
    const everybodyMs = (sockets / NOW_AND_THEN_PER_SECOND) * 1_000;
    const { delivered, p50, p99 } = await load.ask("offer", everybodyMs, NOW_AND_THEN_PER_SECOND);
    const cpu = spent(before)(await server.ask("cpu"));
    return { cpu: cpu / delivered, rss: ((await server.ask("memory")) - empty) / sockets / 1_000, p50, p99 };
  },
};

/** @type {Metric} */
const CPU_PER_CONNECTION = { key: "cpu", unit: "µs of server CPU per connection", best: "least", over: "best" };

/** @type {Measure} */
export const arrival = {
  load: "crowd",
  metrics: [CPU_PER_CONNECTION, { key: "perSecond", unit: "connections per second", best: "most", over: "best" }],
  isFresh: false,
  rounds: ({ crowdRounds }) => crowdRounds,
  async warmUp(pair, { isQuick }) {
    if (isQuick) await comeAndGo(pair, WARM_CROWD / 10);
    else for (let i = 0; i < WARM_CROWDS; i++) await comeAndGo(pair, WARM_CROWD);
  },
  async round({ server, load }, _plan, sockets) {
    const before = await server.ask("cpu");
    const { ms } = await load.ask("come", sockets);
    const cpu = spent(before)(await server.ask("cpu"));
    await load.ask("go");
    await server.ask("empty");
    return { cpu: cpu / sockets, perSecond: (sockets / ms) * 1_000 };
  },
};

/** @type {Measure} */
export const departure = {
  ...arrival,
  // It takes longer to bring such a crowd together than to measure how it leaves.
  rounds: ({ crowdRounds }) => Math.ceil(crowdRounds / 2),
  metrics: [CPU_PER_CONNECTION],
  async round({ server, load }, _plan, sockets) {
    await load.ask("come", sockets);
    const before = await server.ask("cpu");
    await load.ask("go");
    await server.ask("empty");
    const cpu = spent(before)(await server.ask("cpu"));
    return { cpu: cpu / sockets };
  },
};
