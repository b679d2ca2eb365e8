// @ts-check
/** The tables of the stored run of `--scale` in the pages: `node test/bench/figures.js --write` puts them there. */
import { growthTable, plansTable, realityTable, unitsTable } from "./report.js";

/** @typedef {import("./report.js").ScaleRun} ScaleRun */

export const SCALE_PAGES = ["docs/deploy/sizing.md"];

/** @type {Readonly<Record<string, (run: ScaleRun) => string>>} */
const tables = {
  run: ({ date, node, machine }) => `One run, ${date.slice(0, 10)}; Node ${node.slice(1)}; ${machine}, 2 cores.`,
  units: unitsTable,
  reality: realityTable,
  growth: growthTable,
  chat: (run) => plansTable(run, "chat", "redis"),
  quiet: (run) => plansTable(run, "quiet", "nats"),
};

export const SCALE_TABLES = Object.keys(tables);

const BLOCK = /(<!-- scale: ([\w-]+) -->\n)(?:(?!<!--)[\s\S])*(<!-- \/scale -->)/g;

/**
 * @param {string} markdown
 * @param {ScaleRun} run
 * @returns {string} with the tables of the run between the comments
 */
export function fillScale(markdown, run) {
  return markdown.replace(BLOCK, (_, before, name, after) => {
    const render = tables[name];
    if (render === undefined) throw new Error(`no table ${name}: there is ${SCALE_TABLES.join(", ")}`);
    return `${before}\n${render(run)}\n\n${after}`;
  });
}
