// @ts-check
/** What a scenario is, and the rows that most of them are made of: rooms whose members talk, and crowds that are silent. */

/**
 * @typedef {object} Row
 * @property {string} title
 * @property {string} role what each server of `servers/` is to do
 * @property {import("../load/main.js").Settings} settings of the load
 * @property {readonly string[]} peers besides sendall
 * @property {string} [dialect] what Sendall's clients speak, if not plain messages
 */

/**
 * @typedef {object} Goal what becomes of Sendall's figure when it is divided by another one, where less is better
 * @property {string} metric
 * @property {number} [row] whose Sendall is meant; the first one by default
 * @property {string} peer whose figure it is divided by
 * @property {number} [of] in which row, if not in the same
 * @property {number} must
 * @property {number} want
 */

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {import("../measures.js").Measure} measure
 * @property {(isQuick: boolean) => readonly Row[]} rows
 * @property {readonly Goal[]} goals
 */

export const ALL = ["ws", "socket.io", "sockjs", "bun"];
export const WITH_ROOMS = ["ws", "socket.io", "bun"];
export const NATIVE = ["ws", "bun"];

/** What rooms have in common. */
const ONE_ROOM = { rooms: 1, members: 1_000, talkers: 1, burst: 1, messageBytes: 64 };

/** Sockets that each get their own messages back. */
export const ECHO = { rooms: 100, members: 1, burst: 16, hasEcho: true };

/**
 * @param {string} title
 * @param {Partial<import("../load/rooms.js").RoomsSettings>} settings
 * @param {readonly string[]} peers
 * @param {string} [role]
 * @returns {Row}
 */
export const room = (title, settings, peers, role = "room") => ({
  title,
  role,
  settings: { ...ONE_ROOM, ...settings },
  peers,
});

/**
 * @param {string} title
 * @param {number} sockets
 * @param {readonly string[]} [peers]
 * @returns {Row}
 */
export const crowd = (title, sockets, peers = ALL) => ({
  title,
  role: "crowd",
  settings: { sockets, headers: "browser" },
  peers,
});

/** @param {boolean} isQuick */
export const crowdSize = (isQuick) => (isQuick ? 1_000 : 10_000);

/** @param {number} members */
export const busy = (members) => `${members.toLocaleString("en")} members, bursts of 16 × 64 B`;
