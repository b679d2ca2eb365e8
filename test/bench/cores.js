// @ts-check
/** Which core each process runs on: on the same one, server and load would cool each other's caches. */
import { spawnSync } from "node:child_process";

/**
 * @typedef {object} Cores
 * @property {string} summary for the report
 * @property {(who: "server" | "load", command: readonly string[]) => readonly string[]} pin the command, pinned to its core
 */

/**
 * @param {string} list such as `0,2-3`
 * @returns {number[]}
 */
function readList(list) {
  return list.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** @returns {number[]} the cores that this process may use; none where `taskset` is missing */
function allowedCores() {
  const { stdout, status } = spawnSync("taskset", ["-cp", String(process.pid)], { encoding: "utf8" });
  const [, list] = /: ([\d,-]+)\s*$/.exec(status === 0 ? stdout : "") ?? [];
  return list === undefined ? [] : readList(list);
}

/** @returns {Cores} */
export function findCores() {
  const allowed = allowedCores();
  const load = allowed[0];
  // The last one, since a machine's housekeeping is mostly done by its first.
  const server = allowed.at(-1);
  if (load === undefined || server === undefined || load === server)
    return { summary: "processes not pinned to cores", pin: (_, command) => command };
  return {
    summary: `server on core ${server}, load on core ${load}`,
    pin: (who, command) => ["taskset", "-c", String(who === "server" ? server : load), ...command],
  };
}
