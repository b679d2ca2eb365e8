// @ts-check
/** Runs one scenario: a server and a load for each of its rows and peers, all warmed up, then rounds in turn. */
import { fileURLToPath } from "node:url";
import { Child } from "./child.js";

/**
 * @typedef {object} Plan
 * @property {boolean} isQuick
 * @property {number} rounds
 * @property {number} crowdRounds of connecting and disconnecting
 * @property {number} freshRounds each with new servers
 * @property {number} roundMs
 * @property {number} warmUpMs of one warm-up; a measure may ask for several, until the compilers of both processes have settled
 * @property {number} virtualRounds of each scenario in virtual time
 * @property {number} deadlineMs a scenario that takes longer has stalled
 */

/**
 * @typedef {object} Surroundings
 * @property {Plan} plan
 * @property {readonly import("./peers.js").Peer[]} peers
 * @property {import("./cores.js").Cores} cores
 * @property {string | undefined} profile folder for CPU profiles of the servers
 */

/**
 * @typedef {object} Contestant
 * @property {import("./scenarios/rows.js").Row} row
 * @property {import("./peers.js").Peer} peer
 * @property {Readonly<Record<string, number>>[]} rounds its figures
 */

/**
 * @typedef {object} Result
 * @property {import("./scenarios/rows.js").Scenario} scenario
 * @property {readonly import("./scenarios/rows.js").Row[]} rows
 * @property {readonly Contestant[]} contestants
 */

const LOAD = fileURLToPath(new URL("./load/main.js", import.meta.url));

/**
 * @param {import("./scenarios/rows.js").Scenario} scenario
 * @param {Surroundings} surroundings
 * @returns {Promise<Result>}
 */
export async function runScenario(scenario, surroundings) {
  const { plan, peers } = surroundings;
  const { measure } = scenario;
  const rows = scenario.rows(plan.isQuick);
  const contestants = rows.flatMap((row) =>
    peers
      .filter(({ name }) => name === "sendall" || row.peers.includes(name))
      .map((peer) => ({ row, peer, rounds: /** @type {Readonly<Record<string, number>>[]} */ ([]) })),
  );
  const run = new Run(scenario, surroundings);
  if (measure.isFresh)
    for (let round = 0; round < measure.rounds(plan); round++)
      for (const contestant of contestants) await run.play([contestant], 1);
  else await run.play(contestants, measure.rounds(plan));
  return { scenario, rows, contestants };
}

class Run {
  #scenario;
  #surroundings;
  #deadline;

  /**
   * @param {import("./scenarios/rows.js").Scenario} scenario
   * @param {Surroundings} surroundings
   */
  constructor(scenario, surroundings) {
    this.#scenario = scenario;
    this.#surroundings = surroundings;
    this.#deadline = AbortSignal.timeout(surroundings.plan.deadlineMs);
  }

  /**
   * @param {readonly Contestant[]} contestants
   * @param {number} rounds
   */
  async play(contestants, rounds) {
    const { plan } = this.#surroundings;
    const { measure } = this.#scenario;
    const pairs = contestants.map((contestant) => this.#spawn(contestant));
    try {
      for (const [i, pair] of pairs.entries()) {
        const { row, peer } = this.#at(contestants, i);
        await Promise.all([pair.server.ready(), pair.load.ready()]);
        await pair.load.ask("connect", await pair.server.ask("port"), row.settings, dialectOf(row, peer));
        await measure.warmUp(pair, plan);
      }
      for (let round = 0; round < rounds; round++)
        for (const [i, pair] of pairs.entries()) {
          const { row, rounds: figures } = this.#at(contestants, i);
          figures.push(await measure.round(pair, plan, socketsOf(row.settings)));
        }
    } finally {
      await Promise.all(pairs.flatMap(({ server, load }) => [load.stop(), server.stop()]));
    }
  }

  /**
   * @param {readonly Contestant[]} contestants
   * @param {number} i
   */
  #at(contestants, i) {
    const contestant = contestants[i];
    if (contestant === undefined) throw new Error("there is a pair for each contestant");
    return contestant;
  }

  /**
   * @param {Contestant} contestant
   * @returns {import("./measures.js").Pair}
   */
  #spawn({ row, peer }) {
    const { cores, profile } = this.#surroundings;
    const { name, measure } = this.#scenario;
    const file = `${peer.name}-${name}-${row.title.replaceAll(/\W+/g, "-")}.cpuprofile`;
    const isNode = peer.runtime[0] === process.execPath;
    const profiling =
      profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${file}`];
    const flags = isNode ? [...(measure.nodeFlags ?? []), ...profiling] : [];
    const server = [...peer.runtime, ...flags, peer.server, row.role];
    const load = [process.execPath, LOAD, measure.load];
    return {
      server: new Child(`the ${peer.name} server`, cores.pin("server", server), this.#deadline),
      load: new Child(`the load of ${peer.name}`, cores.pin("load", load), this.#deadline),
    };
  }
}

/** @param {import("./load/main.js").Settings} settings */
function socketsOf(settings) {
  return "sockets" in settings ? settings.sockets : settings.rooms * settings.members;
}

/**
 * @param {import("./scenarios/rows.js").Row} row
 * @param {import("./peers.js").Peer} peer
 */
function dialectOf(row, peer) {
  return (peer.name === "sendall" && row.dialect) || peer.dialect;
}
