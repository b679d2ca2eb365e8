// @ts-check
/** The child's side of `child.js`: says that it is ready, answers questions, and ends when its parent lets go of it. */

/** @param {object} answers a function for each question; what it throws is the answer too */
export function answer(answers) {
  const table = new Map(Object.entries(answers));
  if (process.send === undefined) throw new Error("this program is started by test/bench/run.js");
  process.on("message", async (/** @type {import("./child.js").Question} */ { name, input }) => {
    // Sendall's workers use the same channel.
    if (name === undefined) return;
    reply(await outcome(table.get(name), input));
  });
  // Also when the parent has died: nothing is left running.
  process.on("disconnect", () => process.exit());
  reply({ ready: true });
}

/** @param {import("./child.js").Answer} message */
function reply(message) {
  // Without the callback a parent that has gone meanwhile would be an uncaught error.
  process.send?.(message, undefined, undefined, () => {});
}

/**
 * @param {((...input: readonly unknown[]) => unknown) | undefined} ask
 * @param {readonly unknown[]} input
 * @returns {Promise<import("./child.js").Answer>}
 */
async function outcome(ask, input) {
  try {
    if (ask === undefined) throw new Error("there is no such question");
    return { value: await ask(...input) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
