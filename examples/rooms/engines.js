// @ts-check
// What joins the nodes, and keeps what was said: an engine that the command line names, or nothing but this process.
import { parseArgs } from "node:util";
import { memory } from "sendall/testing/cluster-adapter";

const EXPECTED = "expected --engine nats, redis, nats://… or redis://…, or nothing";
const USUAL = new Map([
  ["nats", "nats://127.0.0.1:4222"],
  ["redis", "redis://127.0.0.1:6379"],
]);

/**
 * What a node of its own needs: each has an adapter and a store of its own, as it would on a machine of its own.
 * @typedef {{ cluster: import("sendall").ClusterAdapter, history: Partial<import("sendall").HistoryOptions> }} Joined
 * @typedef {{ address: string, program: string, join: () => Promise<Joined> }} Engine
 */

/**
 * @param {readonly string[]} args
 * @returns {Engine | undefined} `undefined` for two nodes without an engine
 * @throws {RangeError} for arguments that say something else
 */
export function readEngine(args) {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { engine: { type: "string" } },
    allowPositionals: true,
    strict: false,
  });
  const { engine, ...others } = values;
  const [unknown] = [
    ...Object.keys(others).map((name) => (name.length > 1 ? `--${name}` : `-${name}`)),
    ...positionals,
  ];
  if (unknown !== undefined) throw new RangeError(`${unknown}: ${EXPECTED}`);
  if (engine === undefined) return undefined;
  const address = USUAL.get(String(engine)) ?? String(engine);
  if (/^nats:\/\/./.test(address)) return { address, program: "nats-server -js", join: () => joinByNats(address) };
  if (/^rediss?:\/\/./.test(address)) return { address, program: "redis-server", join: () => joinByRedis(address) };
  throw new RangeError(`--engine${engine === true ? "" : ` ${engine}`}: ${EXPECTED}`);
}

/** @param {string} servers @returns {Promise<Joined>} */
async function joinByNats(servers) {
  const { jetstream, nats } = await import("sendall/nats");
  return { cluster: nats({ servers }), history: { store: jetstream({ servers }) } };
}

/** @param {string} url @returns {Promise<Joined>} */
async function joinByRedis(url) {
  const { redis, redisHistory } = await import("sendall/redis");
  return { cluster: redis({ url }), history: { store: redisHistory({ url }) } };
}

/** Without an engine each node keeps in memory what it has heard. @returns {() => Promise<Joined>} */
export function joinInProcess() {
  const cluster = memory();
  return async () => ({ cluster, history: {} });
}
