// @ts-check
/**
 * Who is measured: Sendall first, then those that it is compared with. A new peer is a row here and a program in `servers/`
 * that listens on 127.0.0.1, plays the scenarios' roles and answers the questions of `servers/tell.js`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { findRuntime } from "../runtimes/binaries.js";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} server its program
 * @property {string} dialect what its clients speak, of `load/dialects.js`
 * @property {string} manifest of the package whose version is shown
 * @property {readonly string[]} runtime what runs the program
 */

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
// With the collector in reach, for the scenarios that ask how much memory is in use.
const NODE = [process.execPath, "--expose-gc"];
// This folder is a package of its own, so ours is looked for from outside it.
const OURS = createRequire(new URL("../../package.json", import.meta.url));
const BUN = here("node_modules/.bin/bun");
// Not installed from here, but by `npm ci --prefix test/runtimes`.
const DENO = findRuntime("deno") ?? "deno";

/** @param {string} name */
const ours = (name) => OURS.resolve(`${name}/package.json`);
/** @param {string} name */
const fetched = (name) => here(`node_modules/${name}/package.json`);

/** @type {readonly Peer[]} */
export const peers = [
  { name: "sendall", dialect: "plain", manifest: ours("sendall"), runtime: NODE },
  { name: "ws", dialect: "plain", manifest: ours("ws"), runtime: NODE },
  { name: "socket.io", dialect: "socket.io", manifest: fetched("socket.io"), runtime: NODE },
  { name: "sockjs", dialect: "sockjs", manifest: fetched("sockjs"), runtime: NODE },
  { name: "bun", dialect: "plain", manifest: fetched("bun"), runtime: [BUN] },
  // Sendall elsewhere than on Node: the same program, and the version of what runs it.
  { name: "sendall-bun", program: "sendall", dialect: "plain", manifest: fetched("bun"), runtime: [BUN] },
  {
    name: "sendall-deno",
    program: "sendall",
    dialect: "plain",
    manifest: here("../runtimes/node_modules/deno/package.json"),
    runtime: [DENO, "run", "--allow-all"],
  },
].map(({ program, ...peer }) => ({ ...peer, server: here(`servers/${program ?? peer.name}.js`) }));

/**
 * Installs what is missing, and leaves out who cannot run on this machine.
 * @param {readonly Peer[]} chosen
 * @param {(line: string) => void} notice
 */
export function getReady(chosen, notice) {
  const folder = here("node_modules/");
  if (chosen.some((peer) => peer.manifest.startsWith(folder) && manifestOf(peer) === undefined)) install(notice);
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
function manifestOf({ manifest }) {
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")) : undefined;
}

/** @param {Peer} peer */
export function versionOf(peer) {
  return manifestOf(peer)?.version ?? "unknown";
}
