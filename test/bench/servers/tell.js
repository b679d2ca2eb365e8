// @ts-check
/** What every server of this folder answers about itself, whatever it runs on. */
import { answer } from "../answers.js";

/**
 * What a server tells when it is asked.
 * @typedef {object} ServerAnswers
 * @property {() => number} port where it listens
 * @property {() => NodeJS.CpuUsage} cpu what the whole process has used so far, in microseconds, from the operating system
 * @property {() => Promise<number>} memory its resident set in bytes, after a forced collection
 * @property {() => Promise<void>} empty resolves when nobody is connected
 */

/** Who is there; each server program says who comes and goes. */
class Presence {
  #count = 0;
  /** @type {(() => void) | undefined} */
  #onEmpty;

  came = () => {
    this.#count++;
  };

  left = () => {
    if (--this.#count === 0) this.#onEmpty?.();
  };

  /** @returns {Promise<void>} */
  empty() {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#count === 0) resolve();
    });
  }
}

export const presence = new Presence();

const COLLECTIONS = 6;
/** Memory is given back by other threads, a little after the collection. */
const PAUSE_MS = 100;

function collect() {
  if ("Bun" in globalThis) /** @type {any} */ (globalThis).Bun.gc(true);
  else globalThis.gc?.();
}

async function memory() {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < COLLECTIONS; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
}

/** @param {() => number} port */
export function tell(port) {
  /** @type {ServerAnswers} */
  const answers = { port, cpu: () => process.cpuUsage(), memory, empty: () => presence.empty() };
  answer(answers);
}
