// @ts-check
/** What a packet costs the engine, in and out: links of the adapter, without servers, send as many packets a second as keep an engine busy. */
import { setTimeout } from "node:timers/promises";
import { startEngine } from "../servers/engines.js";
import { cpuOf } from "./real.js";
import { load } from "./sendall.js";

const SUBJECTS = 50;
const PACKET_BYTES = 137;
const [PER_MS, SECONDS] = [5, 4];
const MANY = 9;

/** The clock of the process, as far as links need one. @type {import("sendall").ClusterNode["clock"]} */
const clock = {
  now: () => Date.now(),
  after(ms, ring) {
    const timer = globalThis.setTimeout(() => (typeof ring === "function" ? ring() : ring.ring()), ms);
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (step) => queueMicrotask(step),
};

/** @type {any} */
const log = { warn() {}, info() {}, error() {}, debug() {}, trace() {} };

/**
 * @param {import("sendall").ClusterAdapter} adapter
 * @param {string} id
 * @param {() => void} onReceived
 */
async function openLink(adapter, id, onReceived) {
  /** @type {() => void} */
  let up = () => {};
  const isUp = new Promise((resolve) => {
    up = () => resolve(undefined);
  });
  const link = await adapter.open({ id, clock, log, received: onReceived, up, down() {} });
  await isUp;
  return link;
}

/**
 * @param {string} engine
 * @param {number} subscribers beside the sender, who does not listen
 * @param {import("../cores.js").Cores} cores
 * @returns {Promise<number>} microseconds of the engine for each packet taken and given to all
 */
async function costOfPacket(engine, subscribers, cores) {
  const { url, pid, kill } = await startEngine(engine, (command) => cores.pin("server", command));
  const adapter =
    engine === "redis"
      ? (await load("sendall/redis")).redis({ url })
      : (await load("sendall/nats")).nats({ servers: url });
  const subjects = Array.from({ length: SUBJECTS }, (_, i) => `@room.%2A.room-${i}`);
  let received = 0;
  const sender = await openLink(adapter, "000000000000", () => {});
  const links = [sender];
  try {
    for (let i = 1; i <= subscribers; i++) {
      const link = await openLink(adapter, String(i).padStart(12, "0"), () => received++);
      links.push(link);
      await link.subscribe(subjects);
    }
    let sent = 0;
    const before = cpuOf(pid);
    const startedAt = performance.now();
    while (sent < PER_MS * SECONDS * 1_000) {
      const due = (performance.now() - startedAt) * PER_MS;
      for (; sent < due; sent++) {
        if (!sender.publish(subjects[sent % SUBJECTS] ?? "", Buffer.alloc(PACKET_BYTES, 1)))
          throw new Error("the engine takes no more");
      }
      sender.flush();
      await setTimeout(1);
    }
    while (received < sent * subscribers) await setTimeout(1);
    return (cpuOf(pid) - before) / sent;
  } finally {
    for (const link of links) await link.close();
    kill();
  }
}

/**
 * @param {{ readonly name: string }} engine
 * @param {import("../cores.js").Cores} cores
 */
export async function measureEngine({ name }, cores) {
  const [one, many] = [await costOfPacket(name, 1, cores), await costOfPacket(name, MANY, cores)];
  const engineOut = (many - one) / (MANY - 1);
  return { engineIn: one - engineOut, engineOut };
}
