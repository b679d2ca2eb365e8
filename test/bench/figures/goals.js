// @ts-check
/** The goals as Markdown: what they are, what the stored runs have, and in how many runs they are met. */
import { ratioOf } from "../goals.js";
import { scenarios } from "../scenarios.js";
import { figureOf, find, range } from "./runs.js";
import { NAMES } from "./tables.js";

/** @typedef {import("./runs.js").StoredRun} StoredRun */

/** What a goal is about unless the table says otherwise. */
const USUAL_METRIC = "cpu";

/**
 * More digits than elsewhere, since a limit lies between figures that would be written alike.
 * @param {number} ratio
 */
const precisely = (ratio) => String(Number(ratio.toPrecision(3)));

/**
 * @param {readonly number[]} ratios one of each run
 * @param {number} limit
 */
function met(ratios, limit) {
  const count = ratios.filter((ratio) => ratio <= limit).length;
  return count === ratios.length ? "in all" : count === 0 ? "in none" : `in ${count} of ${ratios.length}`;
}

/**
 * @param {string} scenario
 * @param {import("../scenarios/rows.js").Goal} goal
 * @param {readonly StoredRun[]} runs
 * @returns {readonly string[] | undefined} none where a run has not measured it
 */
function renderGoal(scenario, goal, runs) {
  const { metric, row = 0, peer, of = row, must, want } = goal;
  const ratios = runs.map((run) =>
    ratioOf(goal, (at, who, key) => figureOf(find(run, { scenario, row: at }), who, key)),
  );
  const text = range(ratios, precisely);
  const [run] = runs;
  if (run === undefined || text === "–") return undefined;
  const titleAt = (/** @type {number} */ at) => find(run, { scenario, row: at })?.title;
  const rival = of === row ? NAMES[peer] : `${NAMES[peer]}: ${titleAt(of)}`;
  const unit = find(run, { scenario, row })?.metrics.find(({ key }) => key === metric)?.unit;
  const about = metric === USUAL_METRIC ? "" : `, ${unit}`;
  const limits = [must, want].flatMap((limit) =>
    Number.isFinite(limit) ? [precisely(limit), met(ratios, limit)] : ["–", "–"],
  );
  return [`${scenario}: ${titleAt(row)}${about}`, `${rival}`, text, ...limits];
}

/**
 * Sendall's figure divided by another one, beside the goal, an upper bound.
 * @param {readonly StoredRun[]} runs
 */
export function renderGoals(runs) {
  const lines = scenarios.flatMap(({ name, goals }) => goals.map((goal) => renderGoal(name, goal, runs) ?? []));
  const heads = ["Scenario", "Sendall ÷", "measured", "at most", "met", "wanted", "met"];
  const markdown = [heads, ["---", "---", "---:", "---:", "---", "---:", "---"], ...lines];
  return markdown
    .filter((cells) => cells.length > 0)
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}
