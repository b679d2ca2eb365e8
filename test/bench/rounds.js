// @ts-check
/** Runs one scenario: a server and a load for each peer, all warmed up, then rounds in turn (sendall, ws, sendall, ws, …). */
import { fileURLToPath } from "node:url";
import { Child } from "./child.js";

/**
 * @typedef {object} Plan
 * @property {number} rounds
 * @property {number} roundMs
 * @property {number} warmUpMs until the compilers of both processes have settled
 * @property {number} virtualRounds of each scenario in virtual time
 * @property {number} deadlineMs a scenario that takes longer has stalled
 */

/**
 * @typedef {object} Surroundings
 * @property {Plan} plan
 * @property {import("./cores.js").Cores} cores
 * @property {AbortSignal} deadline
 * @property {string | undefined} profile folder for CPU profiles of the servers
 */

/**
 * @typedef {object} Result
 * @property {import("./scenarios.js").Scenario} scenario
 * @property {{ readonly peer: string, readonly rounds: number[] }[]} figures Sendall's first
 */

/** @typedef {import("./measures.js").Pair & { readonly rounds: number[] }} Contestant */

const LOAD = fileURLToPath(new URL("./load/main.js", import.meta.url));

/**
 * @param {import("./scenarios.js").Scenario} scenario
 * @param {readonly import("./peers.js").Peer[]} peers
 * @param {Surroundings} surroundings
 * @returns {Promise<Result>}
 */
export async function runScenario(scenario, peers, surroundings) {
  const { plan } = surroundings;
  const contestants = peers.map((peer) => spawn(scenario, peer, surroundings));
  try {
    for (const { server, load } of contestants) {
      await Promise.all([server.ready(), load.ready()]);
      await load.ask("connect", await server.ask("port"), scenario.settings);
      await load.ask("run", plan.warmUpMs);
    }
    for (let round = 0; round < plan.rounds; round++)
      for (const contestant of contestants)
        contestant.rounds.push(await scenario.measure.round(contestant, plan.roundMs));
  } finally {
    await Promise.all(contestants.flatMap(({ server, load }) => [load.stop(), server.stop()]));
  }
  return { scenario, figures: contestants.map(({ rounds }, i) => ({ peer: peers[i]?.name ?? "", rounds })) };
}

/**
 * @param {import("./scenarios.js").Scenario} scenario
 * @param {import("./peers.js").Peer} peer
 * @param {Surroundings} surroundings
 * @returns {Contestant}
 */
function spawn(scenario, peer, { cores, deadline, profile }) {
  const profiling = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const name = `${peer.name}-${scenario.name}`;
  if (profile !== undefined) profiling.push(`--cpu-prof-name=${name}.cpuprofile`);
  const server = [process.execPath, ...profiling, fileURLToPath(peer.server), scenario.role];
  const load = [process.execPath, LOAD, scenario.load];
  return {
    server: new Child(`the ${peer.name} server`, cores.pin("server", server), deadline),
    load: new Child(`the load of ${peer.name}`, cores.pin("load", load), deadline),
    rounds: [],
  };
}
