/**
 * A server with sessions in a process of its own, whose memory a test measures. Told what to do by messages of its parent: a text in, an
 * answer out. Wants `--expose-gc`.
 */
import { setImmediate } from "node:timers/promises";
import { serve } from "sendall";

const gc = globalThis.gc;
if (gc === undefined || process.send === undefined) throw new Error("wants --expose-gc, and a parent that talks to it");

const BYTES = 1_000;
const BURST = { shared: 60, own: 3 };

const server = await serve({ port: 0, logger: false, heartbeat: false, resume: { graceMs: 3_600_000 }, handler() {} });

let count = 0;
/** A text that nothing else holds. */
const text = () => `${count++} `.padEnd(BYTES, "x");

/** @type {unknown[]} */
const held = [];

async function heap() {
  // What a native handle holds goes in a second collection, after a round of the event loop.
  for (let i = 0; i < 3; i++) {
    gc?.();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** @type {Record<string, () => unknown>} */
const answers = {
  url: () => server.url,
  heap,
  state: () => {
    const { connections, away, received, opened, closed } = server.stats();
    return [connections, away, received.messages, opened - closed];
  },
  burst: () => {
    for (let i = 0; i < BURST.shared; i++) server.sendall(text());
    for (const connection of server.connections()) for (let i = 0; i < BURST.own; i++) connection.send(text());
    return BURST.shared + BURST.own;
  },
  /** What the messages of one burst weigh by themselves, each with its bytes as on the wire. */
  weight: async () => {
    const before = await heap();
    for (let i = BURST.shared + BURST.own * server.connections().length; i > 0; i--) {
      const data = text();
      held.push({ data, wire: Buffer.from(data) });
    }
    const after = await heap();
    held.length = 0;
    return after - before;
  },
  terminate: () => {
    for (const connection of server.connections()) connection.terminate();
    return true;
  },
};

process.on("message", async (/** @type {string} */ question) => process.send?.(await answers[question]?.()));
process.on("disconnect", () => process.exit());
