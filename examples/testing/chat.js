// @ts-check
// A chat to be tested: the first message of each connection is its nickname, every further one goes to everybody else, and who
// says nothing for a minute is asked. The tests beside this file play it without a port: one file for each of three test runners.

const SILENCE_MS = 60_000;

/** @typedef {{ nick?: string }} Person */

/** Nicknames, kept where asking takes a while. */
export class Nicks {
  /** @type {Set<string>} */
  #taken = new Set();

  /** @param {string} nick */
  async isTaken(nick) {
    return this.#taken.has(nick);
  }

  /** @param {string} nick */
  async take(nick) {
    this.#taken.add(nick);
  }
}

/**
 * @param {Nicks} nicks
 * @returns {import("sendall").HandlerFunction<Person>}
 */
export function createChat(nicks) {
  return async (event, bus) => {
    if (event.type === "open") event.connection.idle(SILENCE_MS);
    if (event.type === "idle") bus.unicast("are you there?", event.connection);
    if (event.type === "closed") bus.sendall(`${event.connection.data.nick} left`);
    if (event.type !== "message") return;
    const { connection, text } = event;
    if (connection.data.nick !== undefined) bus.broadcast(`${connection.data.nick}: ${text}`, connection);
    else if (await nicks.isTaken(text)) bus.unicast(`${text} is taken`, connection);
    else {
      await nicks.take(text);
      connection.data.nick = text;
      bus.unicast(`you are ${text}`, connection);
    }
  };
}
