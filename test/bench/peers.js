// @ts-check
/**
 * Who is measured: Sendall first, then those that it is compared with. A new peer is a row here and a program in `servers/`
 * that listens on 127.0.0.1, plays the scenarios' roles and answers the questions of `servers/tell.js`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} server its program
 * @property {string} dialect what its clients speak, of `load/dialects.js`
 * @property {string} packageName whose version is shown
 * @property {readonly string[]} runtime what runs the program
 * @property {boolean} isOurs it is installed with Sendall itself
 */

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
// With the collector in reach, for the scenarios that ask how much memory is in use.
const NODE = [process.execPath, "--expose-gc"];
// This folder is a package of its own, so ours is looked for from outside it.
const OURS = createRequire(new URL("../../package.json", import.meta.url));
const BUN = here("node_modules/.bin/bun");

/** @type {readonly Peer[]} */
export const peers = [
  { name: "sendall", dialect: "plain", packageName: "sendall", runtime: NODE, isOurs: true },
  { name: "ws", dialect: "plain", packageName: "ws", runtime: NODE, isOurs: true },
  { name: "socket.io", dialect: "socket.io", packageName: "socket.io", runtime: NODE, isOurs: false },
  { name: "sockjs", dialect: "sockjs", packageName: "sockjs", runtime: NODE, isOurs: false },
  { name: "bun", dialect: "plain", packageName: "bun", runtime: [BUN], isOurs: false },
].map((peer) => ({ ...peer, server: here(`servers/${peer.name}.js`) }));

/**
 * Installs what is missing, and leaves out who cannot run on this machine.
 * @param {readonly Peer[]} chosen
 * @param {(line: string) => void} notice
 */
export function getReady(chosen, notice) {
  if (chosen.some((peer) => !peer.isOurs && manifestOf(peer) === undefined)) install(notice);
  return chosen.filter((peer) => {
    const why = whyNot(peer);
    if (why !== undefined) notice(`without ${peer.name}: ${why}`);
    return why === undefined;
  });
}

/** @param {(line: string) => void} notice */
function install(notice) {
  notice("installing the servers to compare with, in test/bench/node_modules");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: here("."), stdio: ["ignore", 2, 2] });
  if (status !== 0) notice("npm ci has failed");
}

/** @param {Peer} peer */
function whyNot(peer) {
  if (manifestOf(peer) === undefined) return "it is not installed";
  const [program = ""] = peer.runtime;
  const { status, error } = spawnSync(program, ["--version"]);
  return status === 0 ? undefined : `${program} does not run here${error ? ` (${error.message})` : ""}`;
}

/**
 * @param {Peer} peer
 * @returns {{ readonly version: string } | undefined}
 */
function manifestOf({ packageName, isOurs }) {
  const path = isOurs ? OURS.resolve(`${packageName}/package.json`) : here(`node_modules/${packageName}/package.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** @param {Peer} peer */
export function versionOf(peer) {
  return manifestOf(peer)?.version ?? "unknown";
}
