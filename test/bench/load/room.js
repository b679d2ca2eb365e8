// @ts-check
/** One room of a load: its sockets, and the laps that are under way. */

/**
 * @typedef {object} Lap
 * @property {number} startedAt when it was due
 * @property {number} waiting listeners that have not got all of it
 */

export class Room {
  /** @type {import("./socket.js").RawSocket[]} */
  talkers = [];
  /** How many get something. */
  listeners = 0;
  /** Messages that come in a lap, at all of them together. */
  messages = 0;
  /** Laps so far. */
  begun = 0;
  /** @type {Lap[]} those that have not ended, oldest first: listeners get their laps in order, so they end in order, too */
  #underWay = [];

  /** Listeners that lack a lap, counted once for each. */
  get waiting() {
    return this.#underWay.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * @param {number} startedAt
   * @param {Buffer} burst
   */
  begin(startedAt, burst) {
    this.#underWay.push({ startedAt, waiting: this.listeners });
    this.begun++;
    for (const talker of this.talkers) talker.write(burst);
  }

  /**
   * A listener has got all of a lap.
   * @param {number} number of the lap, from the room's first one
   * @returns {Lap | undefined} the lap, if that has ended it
   */
  got(number) {
    const lap = this.#underWay[number - (this.begun - this.#underWay.length)];
    if (lap === undefined) throw new Error("a member got more than all messages");
    if (--lap.waiting > 0) return undefined;
    return this.#underWay.shift();
  }
}
