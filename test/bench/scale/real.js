// @ts-check
/** The cluster in reality: an engine, a process for each node, and clients over real sockets from this process. */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child } from "../child.js";
import { startEngine } from "../servers/engines.js";
import { queryOf, textOf } from "./app.js";

/** @type {typeof import("ws")} */
const { WebSocket } = createRequire(new URL("../../../package.json", import.meta.url))("ws");

const PROGRAM = fileURLToPath(new URL("./node.js", import.meta.url));
/**
 * @param {number} pid
 * @returns {number} microseconds of CPU time of all threads since the start, by the scheduler's own count: the ticks of `stat` are too coarse
 */
export function cpuOf(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return sum + Number(nanoseconds) / 1_000;
  }, 0);
}

/** @typedef {{ readonly nodes: readonly number[], readonly engine: number }} Cpu microseconds of each */

export class RealCluster {
  #law;
  #engine;
  /** @type {Child<import("./node.js").NodeAnswers>[]} */
  #nodes;
  /** @type {string[]} */
  #urls = [];
  /** @type {Map<number, import("ws").WebSocket>} */
  #clients = new Map();

  /**
   * @param {import("./law.js").Law} law
   * @param {Awaited<ReturnType<typeof startEngine>>} engine
   * @param {{ readonly hasHistory: boolean }} what
   * @param {import("../cores.js").Cores} cores
   */
  constructor(law, engine, { hasHistory }, cores) {
    this.#law = law;
    this.#engine = engine;
    const args = [PROGRAM, engine.url, ...(hasHistory ? ["history"] : [])];
    const deadline = AbortSignal.timeout(300_000);
    this.#nodes = Array.from(
      { length: law.nodes },
      (_, i) => new Child(`node ${i + 1}`, cores.pin("server", [process.execPath, ...args]), deadline),
    );
  }

  /**
   * @param {string} engine its name
   * @param {import("./law.js").Law} law
   * @param {{ readonly hasHistory: boolean }} what
   * @param {import("../cores.js").Cores} cores
   */
  static async start(engine, law, what, cores) {
    const started = await startEngine(engine, (command) => cores.pin("load", command));
    const cluster = new RealCluster(law, started, what, cores);
    for (const node of cluster.#nodes) {
      await node.ready();
      cluster.#urls.push(await node.ask("url"));
    }
    return cluster;
  }

  /** @param {import("./law.js").Step} step */
  async take(step) {
    if (step.type === "come") {
      const socket = new WebSocket(`${this.#urls[step.node]}?${queryOf(step)}`, { perMessageDeflate: false });
      this.#clients.set(step.client, socket);
      socket.on("message", () => {});
      await once(socket, "open");
      return;
    }
    const socket = this.#clients.get(step.client);
    if (step.type === "say") socket?.send(textOf(step, this.#law.messageBytes));
    else {
      this.#clients.delete(step.client);
      socket?.close();
    }
  }

  /** Takes each step when it is due. @param {readonly import("./law.js").Step[]} steps */
  async takeInTime(steps) {
    const startedAt = performance.now();
    for (const step of steps) {
      const wait = startedAt + step.at - performance.now();
      if (wait > 0) await setTimeout(wait);
      await this.take(step);
    }
  }

  /** @param {number} ms */
  async rest(ms) {
    await setTimeout(ms);
  }

  /** @returns {Promise<import("./totals.js").Totals[]>} of each node */
  read() {
    return Promise.all(this.#nodes.map((node) => node.ask("read")));
  }

  /** @returns {Promise<Cpu>} */
  async cpu() {
    const nodes = await Promise.all(this.#nodes.map((node) => node.ask("cpu")));
    return { nodes, engine: cpuOf(this.#engine.pid) };
  }

  async stop() {
    for (const socket of this.#clients.values()) socket.terminate();
    for (const node of this.#nodes) await node.stop();
    this.#engine.kill();
  }
}
