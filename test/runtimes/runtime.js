/** What runs this program. Bun and Deno have a version of Node, too: the one that they resemble. */
const { bun, deno, node } = process.versions;

/** The name by which differences.js knows the runtime, and the name with its version. @type {readonly [name: string, title: string]} */
const known =
  bun !== undefined
    ? ["Bun", `Bun ${bun}`]
    : deno !== undefined
      ? ["Deno", `Deno ${deno}`]
      : [`Node ${node.split(".", 1)}`, `Node ${node}`];

export const [name, title] = known;
