// @ts-check
/**
 * A server program that is to be two nodes of a cluster: starts the engine, and itself twice with the role "node" and the engine's
 * address. To the benchmark the two are one server with two ports, whose CPU time is that of both; the engine's is not counted.
 * Two workers of `node:cluster` have one port, and no engine but the primary process, whose CPU time is counted.
 */
import { fork } from "node:child_process";
import cluster from "node:cluster";
import { fileURLToPath } from "node:url";
import { answer } from "../answers.js";
import { startEngine } from "./engines.js";

/** The engine that a role like "nodes-nats" asks for. */
export function engineOf(role = process.argv[2] ?? "") {
  return role.startsWith("nodes-") ? role.slice("nodes-".length) : undefined;
}

/** Asks a node as the benchmark asks a server: one question at a time. */
class Node {
  #child;
  #ready;

  /** @param {import("node:child_process").ChildProcess} child */
  constructor(child) {
    this.#child = child;
    this.#ready = this.#next();
  }

  /** @param {string} name */
  async ask(name) {
    await this.#ready;
    const answered = this.#next();
    this.#child.send({ name, input: [] });
    const { value, error } = await answered;
    if (error !== undefined) throw new Error(error);
    return value;
  }

  /** @returns {Promise<any>} */
  #next() {
    return new Promise((resolve) => {
      const listen = (/** @type {unknown} */ message) => {
        // Sendall's workers use the same channel, and say lists.
        if (Array.isArray(message)) return;
        this.#child.off("message", listen);
        resolve(message);
      };
      this.#child.on("message", listen);
    });
  }
}

/**
 * @param {readonly Node[]} nodes
 * @param {{ readonly cpu: () => NodeJS.CpuUsage, readonly memory: () => number }} rest what counts beside the nodes
 */
function answerFor(nodes, rest) {
  /** @param {string} name */
  const askAll = (name) => Promise.all(nodes.map((node) => node.ask(name)));
  answer({
    port: () => askAll("port"),
    async cpu() {
      const all = [rest.cpu(), ...(await askAll("cpu"))];
      const sum = (/** @type {"user" | "system"} */ key) => all.reduce((total, cpu) => total + cpu[key], 0);
      return { user: sum("user"), system: sum("system") };
    },
    async memory() {
      return (await askAll("memory")).reduce((total, bytes) => total + bytes, rest.memory());
    },
    empty: () => askAll("empty"),
    joined: () => askAll("joined"),
  });
}

/**
 * @param {string} program the URL of the server's own file
 * @param {string} engine
 */
export async function leadNodes(program, engine) {
  const { url } = await startEngine(engine);
  const nodes = [0, 1].map(() => new Node(fork(fileURLToPath(program), ["node", url])));
  answerFor(nodes, { cpu: () => ({ user: 0, system: 0 }), memory: () => 0 });
}

/** In the primary process of two workers, which run the same program with the same role. Its own work counts. */
export function leadWorkers() {
  const nodes = [0, 1].map(() => new Node(cluster.fork().process));
  answerFor(nodes, { cpu: () => process.cpuUsage(), memory: () => process.memoryUsage.rss() });
}
