// @ts-check
/** The load process: plays one load, chosen by its first argument, against one server. */
import { answer } from "../answers.js";
import { chooseRole } from "../servers/role.js";
import { CrowdLoad } from "./crowd.js";
import { RoomsLoad } from "./rooms.js";

/** @typedef {import("./rooms.js").RoomsSettings | import("./crowd.js").CrowdSettings} Settings */

/**
 * @typedef {object} Run
 * @property {number} delivered messages that arrived, counted at each that they arrived at
 * @property {number} ms
 * @property {number} p50 how long a lap took, in milliseconds
 * @property {number} p99
 */

/**
 * What a load does when it is asked; the first comes first, and when it is answered nothing is on its way any more.
 * @typedef {object} LoadAnswers
 * @property {(port: number, settings: Settings, dialect: string) => Promise<void>} connect
 * @property {(ms: number) => Promise<Run>} run rooms: talk for so long
 * @property {(count: number) => Promise<{ readonly ms: number }>} come crowd: so many connect
 * @property {() => void} go crowd: all disconnect
 */

const connect = chooseRole({
  /** @param {[number, any, string]} args */
  rooms: (...args) => RoomsLoad.connect(...args),
  /** @param {[number, any, string]} args */
  crowd: (...args) => CrowdLoad.connect(...args),
});

/** @type {RoomsLoad | CrowdLoad | undefined} */
let load;

/** @type {LoadAnswers} */
const answers = {
  async connect(...args) {
    load = await connect(...args);
  },
  async run(ms) {
    if (!(load instanceof RoomsLoad)) throw new Error("no rooms are connected");
    return load.run(ms);
  },
  async come(count) {
    if (!(load instanceof CrowdLoad)) throw new Error("there is no crowd");
    return load.come(count);
  },
  go() {
    if (!(load instanceof CrowdLoad)) throw new Error("there is no crowd");
    load.go();
  },
};
answer(answers);
