// @ts-check
/** The play: a cluster on the memory adapter in virtual time, in this process. It counts; what the counts cost is for `limits.js`. */
import { createApp, queryOf } from "./app.js";
import { nameOfRoom, stepsOf } from "./law.js";
import { load } from "./sendall.js";
import { tap } from "./tap.js";

/** @type {typeof import("sendall/testing")} */
const { createTestRuntime } = await load("sendall/testing");
/** @type {typeof import("sendall/testing/cluster-adapter")} */
const { memory } = await load("sendall/testing/cluster-adapter");

/** Reality's times have 13 digits, and what nodes tell each other has times in it. */
const EPOCH_MS = 1_800_000_000_000;
/** Two beats of presence and the end of every grace, before anything is counted as the talk's. */
const SETTLING_MS = 25_000;

/**
 * @typedef {object} NodeWork what a node has done in the talk, and holds at its end
 * @property {number} messages from its clients
 * @property {number} deliveries to its clients, with the notices of presence
 * @property {number} deliveredBytes
 * @property {number} accepted connections
 * @property {Record<string, import("./tap.js").Traffic>} sent to the engine, by kind
 * @property {Record<string, import("./tap.js").Traffic>} received from the engine
 * @property {number} clients
 * @property {number} rooms
 * @property {number} subscriptions
 * @property {number} presentKeys own and copied
 * @property {number} kept messages in its history
 */

/** @typedef {ReturnType<typeof readNode>} Totals */

/**
 * @param {import("sendall/testing").TestRuntime} runtime
 * @param {import("./tap.js").Counts} counts
 * @param {import("./app.js").App} app
 */
function readNode(runtime, counts, app) {
  const { received, sent, opened, connections, rooms, kept } = runtime.server.stats();
  return {
    messages: received.messages,
    deliveries: sent.messages,
    deliveredBytes: sent.bytes,
    accepted: opened,
    sent: structuredClone(counts.sent),
    received: structuredClone(counts.received),
    clients: connections,
    rooms,
    subscriptions: counts.subscriptions,
    presentKeys: app.presentKeys(),
    kept,
  };
}

/** @param {Record<string, import("./tap.js").Traffic>} after @param {Record<string, import("./tap.js").Traffic>} before */
function less(after, before) {
  return Object.fromEntries(
    Object.entries(after).map(([kind, { packets, bytes }]) => [
      kind,
      { packets: packets - (before[kind]?.packets ?? 0), bytes: bytes - (before[kind]?.bytes ?? 0) },
    ]),
  );
}

/** @param {Totals} after @param {Totals} before @returns {NodeWork} */
function workBetween(after, before) {
  return {
    ...after,
    messages: after.messages - before.messages,
    deliveries: after.deliveries - before.deliveries,
    deliveredBytes: after.deliveredBytes - before.deliveredBytes,
    accepted: after.accepted - before.accepted,
    kept: after.kept - before.kept,
    sent: less(after.sent, before.sent),
    received: less(after.received, before.received),
  };
}

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
      const query = new URLSearchParams(queryOf(step, nameOfRoom));
      const runtime = this.#runtimes[step.node];
      // They count for themselves what they get: an inbox of millions would be the play's own memory.
      const client = await runtime?.connect({ path: `/?${query}`, onMessage() {} });
      if (client !== undefined) this.#clients.set(step.client, client);
      return;
    }
    const client = this.#clients.get(step.client);
    if (step.type === "say") client?.send(`${nameOfRoom(step.room)} `.padEnd(this.#law.messageBytes, "."));
    else {
      this.#clients.delete(step.client);
      client?.close();
    }
  }

  /** @returns {Totals[]} of each node */
  read() {
    return this.#runtimes.map((runtime, i) => {
      const [counts, app] = [this.#cluster.nodes[i], this.#apps[i]];
      if (counts === undefined || app === undefined) throw new Error("a node has not opened its link");
      return readNode(runtime, counts, app);
    });
  }

  async close() {
    for (const runtime of this.#runtimes) await runtime.close();
  }
}

/**
 * @typedef {object} Played
 * @property {import("./law.js").Law} law
 * @property {readonly NodeWork[]} arrival what each node did while all came
 * @property {readonly NodeWork[]} talk
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
  const empty = stage.read();
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
  /** @param {Totals[]} later @param {Totals[]} earlier */
  const between = (later, earlier) => later.map((each, i) => workBetween(each, earlier[i] ?? each));
  return { law, arrival: between(before, empty), talk: between(after, before), heapBytes };
}
