// @ts-check
/** What is measured in virtual time: how many real seconds a test takes for it. No other server has that, so there are no peers. */
import { fileURLToPath } from "node:url";
import { Child } from "../child.js";

/**
 * @typedef {object} VirtualScenario
 * @property {string} name
 * @property {string} title
 * @property {"room" | "interleavings"} role
 * @property {import("./main.js").RoomSettings & import("./main.js").InterleavingsSettings} settings
 * @property {number | undefined} goal at most so many seconds
 * @property {boolean} isLong left out of a quick run
 */

/**
 * @typedef {object} VirtualResult
 * @property {VirtualScenario} scenario
 * @property {number[]} seconds of each round
 */

/** Of a room, and of interleavings. */
const settings = { clients: 100, everyMs: 10_000, virtualMs: 10_000_000, messageBytes: 64, runs: 500 };

/** @type {readonly VirtualScenario[]} */
export const virtualScenarios = [
  {
    name: "virtual-room-slow",
    title: "100 clients, a message each per 10 s, for 10,000 s",
    role: "room",
    settings,
    goal: 1,
    isLong: false,
  },
  {
    name: "virtual-room",
    title: "100 clients, a message each per second, for 10,000 s",
    role: "room",
    settings: { ...settings, everyMs: 1_000 },
    goal: 10,
    isLong: true,
  },
  {
    name: "explore",
    title: "500 interleavings of three clients",
    role: "interleavings",
    settings,
    goal: 2,
    isLong: false,
  },
];

const PROGRAM = fileURLToPath(new URL("./main.js", import.meta.url));

/**
 * Each round in a process of its own: what a test takes includes its first steps, before the compilers know them.
 * @param {VirtualScenario} scenario
 * @param {number} rounds
 * @param {import("../cores.js").Cores} cores
 * @param {AbortSignal} deadline
 * @returns {Promise<VirtualResult>}
 */
export async function runVirtual(scenario, rounds, cores, deadline) {
  const seconds = [];
  for (let round = 0; round < (scenario.isLong ? 1 : rounds); round++) {
    const command = cores.pin("server", [process.execPath, PROGRAM, scenario.role]);
    /** @type {Child<import("./main.js").VirtualAnswers>} */
    const child = new Child(scenario.name, command, deadline);
    try {
      await child.ready();
      seconds.push(await child.ask("run", scenario.settings));
    } finally {
      await child.stop();
    }
  }
  return { scenario, seconds };
}
