// @ts-check
/** The load process: plays one load, chosen by its first argument, against one server. */
import { answer } from "../answers.js";
import { chooseRole } from "../servers/role.js";
import { BroadcastLoad } from "./broadcast.js";

/**
 * @typedef {object} Load
 * @property {(ms: number) => Promise<Run>} run for so long; when it resolves nothing is on its way any more
 */

/**
 * @typedef {object} Run
 * @property {number} delivered messages that arrived, counted at each that they arrived at
 */

/**
 * What a load does when it is asked.
 * @typedef {object} LoadAnswers
 * @property {(port: number, settings: import("./broadcast.js").BroadcastSettings) => Promise<void>} connect comes first
 * @property {Load["run"]} run
 */

const connect = chooseRole({ broadcast: BroadcastLoad.connect });

/** @type {Load | undefined} */
let load;

/** @type {LoadAnswers} */
const answers = {
  async connect(port, settings) {
    load = await connect(port, settings);
  },
  async run(ms) {
    if (load === undefined) throw new Error("it is not connected");
    return load.run(ms);
  },
};
answer(answers);
