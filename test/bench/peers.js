// @ts-check
/**
 * Who is measured: Sendall first, then those that it is compared with. A new peer is a row here and a program in `servers/`
 * that listens on 127.0.0.1, plays the scenarios' roles and answers the questions of {@link ServerAnswers}.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/**
 * What a server tells when it is asked.
 * @typedef {object} ServerAnswers
 * @property {() => number} port where it listens
 * @property {() => NodeJS.CpuUsage} cpu what the whole process has used so far
 */

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {URL} server its program; gets the role as its first argument
 * @property {string} packageName whose version is shown
 */

/** @type {readonly Peer[]} */
export const peers = [
  { name: "sendall", server: new URL("./servers/sendall.js", import.meta.url), packageName: "sendall" },
  { name: "ws", server: new URL("./servers/ws.js", import.meta.url), packageName: "ws" },
];

/**
 * @param {Peer} peer
 * @returns {string}
 */
export function versionOf({ packageName }) {
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}
