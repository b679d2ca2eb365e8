// @ts-check
/** The load process: plays one load, chosen by its first argument, against one server. */
import { answer } from "../answers.js";
import { chooseRole } from "../servers/role.js";
import { CrowdLoad } from "./crowd.js";
import { RoomsLoad } from "./rooms.js";

/** @typedef {import("./rooms.js").RoomsSettings | import("./crowd.js").CrowdSettings} Settings */

/**
 * @typedef {object} Run
 * @property {number} laps
 * @property {number} delivered messages that arrived, counted at each that they arrived at
 * @property {number} ms
 * @property {number} p50 how long a lap took, in milliseconds
 * @property {number} p99
 * @property {number} p999
 */

/**
 * What a load does when it is asked; the first comes first, and when it is answered nothing is on its way any more.
 * @typedef {object} LoadAnswers
 * @property {(port: number | readonly number[], settings: Settings, dialect: string) => Promise<void>} connect
 * @property {(ms: number) => Promise<Run>} run rooms: talk for so long, in closed loops
 * @property {(ms: number, lapsPerSecond: number, parts?: number) => Promise<Run>} offer rooms: talk for so long, at a fixed rate
 * @property {(count: number) => Promise<{ readonly ms: number }>} come crowd: so many connect; visitors: all of them
 * @property {() => void} go crowd: all disconnect
 */

const connect = chooseRole({
  /** @param {[number | readonly number[], any, string]} args */
  async rooms(...args) {
    const talkers = new RoomsLoad(...args);
    await talkers.come();
    return talkers;
  },
  /** Rooms that come when they are asked to. @param {[number | readonly number[], any, string]} args */
  visitors: async (...args) => new RoomsLoad(...args),
  /**
   * @param {number | readonly number[]} port
   * @param {any} settings
   * @param {string} dialect
   */
  crowd(port, settings, dialect) {
    if (typeof port !== "number") throw new Error("a crowd comes to one server");
    return CrowdLoad.connect(port, settings, dialect);
  },
});

/** @type {RoomsLoad | CrowdLoad | undefined} */
let load;

function rooms() {
  if (!(load instanceof RoomsLoad)) throw new Error("no rooms are connected");
  return load;
}

/** @type {LoadAnswers} */
const answers = {
  async connect(...args) {
    load = await connect(...args);
  },
  run: async (ms) => rooms().run(ms),
  offer: async (ms, lapsPerSecond, parts) => rooms().offer(ms, lapsPerSecond, parts),
  async come(count) {
    if (load === undefined) throw new Error("there is nobody to come");
    return load.come(count);
  },
  go() {
    if (!(load instanceof CrowdLoad)) throw new Error("there is no crowd");
    load.go();
  },
};
answer(answers);
