// @ts-check
/** The play: a cluster on the memory adapter in virtual time, in this process. It counts; what the counts cost is for `limits.js`. */
import { createApp, queryOf, textOf } from "./app.js";
import { stepsOf } from "./law.js";
import { load } from "./sendall.js";
import { tap } from "./tap.js";
import { readNode, workBetween } from "./totals.js";

/** @type {typeof import("sendall/testing")} */
const { createTestRuntime } = await load("sendall/testing");
/** @type {typeof import("sendall/testing/cluster-adapter")} */
const { memory } = await load("sendall/testing/cluster-adapter");

/** Reality's times have 13 digits, and what nodes tell each other has times in it. */
const EPOCH_MS = 1_800_000_000_000;
/** Two beats of presence and the end of every grace, before anything is counted as the talk's. */
const SETTLING_MS = 25_000;

/** A cluster in virtual time that the steps of a law are played on. */
export class Stage {
  #law;
  #apps;
  #runtimes;
  #cluster;
  /** @type {Map<number, import("sendall/testing").TestClient>} */
  #clients = new Map();

  /** @param {import("./law.js").Law} law @param {{ readonly hasHistory: boolean }} what */
  constructor(law, what) {
    this.#law = law;
    this.#cluster = tap(memory());
    this.#apps = Array.from({ length: law.nodes }, () => createApp(what));
    const { adapter: cluster } = this.#cluster;
    this.#runtimes = this.#apps.map(({ options }) => createTestRuntime({ ...options, cluster }));
  }

  get #first() {
    const [first] = this.#runtimes;
    if (first === undefined) throw new Error("a cluster has at least one node");
    return first;
  }

  async start() {
    for (const runtime of this.#runtimes) await runtime.settle();
    await this.advance(EPOCH_MS);
  }

  /** @param {number} ms */
  async advance(ms) {
    if (ms > 0) await this.#first.advance(ms);
  }

  settle() {
    return this.#first.settle();
  }

  /** @param {import("./law.js").Step} step */
  async take(step) {
    if (step.type === "come") {
      const runtime = this.#runtimes[step.node];
      // A client with a listener has no inbox, which would be the play's own memory.
      const client = await runtime?.connect({ path: `/?${queryOf(step)}`, onMessage() {} });
      if (client !== undefined) this.#clients.set(step.client, client);
      return;
    }
    const client = this.#clients.get(step.client);
    if (step.type === "say") client?.send(textOf(step, this.#law.messageBytes));
    else {
      this.#clients.delete(step.client);
      client?.close();
    }
  }

  /** @returns {import("./totals.js").Totals[]} of each node */
  read() {
    return this.#runtimes.map((runtime, i) => {
      const [counts, app] = [this.#cluster.nodes[i], this.#apps[i]];
      if (counts === undefined || app === undefined) throw new Error("a node has not opened its link");
      return readNode(runtime.server.stats(), counts, app);
    });
  }

  async close() {
    for (const runtime of this.#runtimes) await runtime.close();
  }
}

/**
 * @typedef {object} Played
 * @property {import("./law.js").Law} law
 * @property {readonly import("./totals.js").NodeWork[]} talk what each node did once all were there
 * @property {number} heapBytes of the whole process, clients included, per node
 */

/**
 * @param {import("./law.js").Law} law
 * @returns {Promise<Played>}
 */
export async function play(law) {
  const { arrivals, talk } = stepsOf(law);
  const stage = new Stage(law, { hasHistory: true });
  await stage.start();
  for (const step of arrivals) await stage.take(step);
  await stage.advance(SETTLING_MS);
  const before = stage.read();
  let at = 0;
  for (const step of talk) {
    await stage.advance(step.at - at);
    at = step.at;
    await stage.take(step);
  }
  await stage.advance(law.seconds * 1_000 - at);
  const after = stage.read();
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed / law.nodes;
  await stage.close();
  return { law, talk: workBetween(after, before), heapBytes };
}
