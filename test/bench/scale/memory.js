// @ts-check
/** What a copy of another node's key, and a kept message, take of a node's memory: the growth of the heap in a play, for one more of each. */
import { setImmediate } from "node:timers/promises";
import { HABITS } from "./law.js";
import { Stage } from "./play.js";

/** @typedef {{ readonly key: number, readonly kept: number }} Memory bytes of a copied key, and of a kept message of 100 bytes */

const ROOMS = 20;
const [PEOPLE, MESSAGES] = [6_000, 100];

async function heapInUse() {
  // Twice, for what the first collection has set free only.
  for (let i = 0; i < 2; i++) {
    await setImmediate();
    globalThis.gc?.();
  }
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

/** @returns {Promise<Memory>} */
export async function measureMemory() {
  if (globalThis.gc === undefined) throw new Error("the memory is measured with node --expose-gc");
  const stage = new Stage({ ...HABITS, nodes: 2, clients: 0, rooms: ROOMS + 1 }, { hasHistory: true });
  await stage.start();
  for (let client = 0; client < PEOPLE; client++)
    await stage.take({ type: "come", client, node: 0, rooms: [client % ROOMS], at: 0 });
  // The same in a small room of its own first: code that is compiled only now is no copy.
  for (const node of [0, 1]) await stage.take({ type: "come", client: PEOPLE + 1 + node, node, rooms: [ROOMS], at: 0 });
  await stage.settle();
  const alone = await heapInUse();
  // The second node follows all rooms, and so has a copy of each key; its client is one key in each.
  await stage.take({ type: "come", client: PEOPLE, node: 1, rooms: Array.from({ length: ROOMS }, (_, i) => i), at: 0 });
  await stage.settle();
  const copied = await heapInUse();
  for (let i = 0; i < ROOMS * MESSAGES; i++) {
    await stage.take({ type: "say", client: PEOPLE, room: i % ROOMS, at: 0 });
    await stage.settle();
  }
  const kept = await heapInUse();
  await stage.close();
  // Both nodes have a history of the room.
  return { key: (copied - alone) / PEOPLE, kept: (kept - copied) / (ROOMS * MESSAGES * 2) };
}
