// @ts-check

/** Under the 511 that a Node server lets wait before it has accepted them. */
const AT_ONCE = 100;

/**
 * Calls `one` so many times, some at once; in order, since each is begun when another is done.
 * @param {number} count
 * @param {(i: number) => Promise<void>} one
 */
export async function inBatches(count, one) {
  let next = 0;
  const worker = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: Math.min(count, AT_ONCE) }, worker));
}
