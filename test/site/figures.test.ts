/** The figures of the benchmark in README and pages: each comes from the stored runs in test/bench/results/. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderGoals } from "../bench/figures/goals.js";
import { fill, renderTable, withoutFigures } from "../bench/figures/render.js";
import { range, readRuns, round } from "../bench/figures/runs.js";
import { PAGES, tables } from "../bench/figures/tables.js";

const runs = readRuns();
const isDraft = runs.some(({ plan }) => plan.isQuick);
const read = (page: string): string => readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
const text = Object.fromEntries(PAGES.map((page) => [page, read(page)]));
/** Until the README has its table, its place is marked. */
const pages = PAGES.filter((page) => !/^FIGURES$/m.test(text[page] ?? ""));

/** A number with the unit of a metric, or a ratio. */
const FIGURE = /\d[\d.,–]*\s*(?:µs|kB|ms a lap|times (?:as|the|less|more|faster))/g;

describe("the stored runs", () => {
  it("are all quick, or full and at least three, of one plan", () => {
    expect(new Set(runs.map(({ plan }) => JSON.stringify(plan))).size).toBe(1);
    expect(runs.length).toBeGreaterThanOrEqual(isDraft ? 1 : 3);
  });

  it("were made with the same versions", () => {
    expect(new Set(runs.map(({ node, versions }) => JSON.stringify([node, versions]))).size).toBe(1);
  });
});

describe.each(pages)("%s", (page) => {
  const markdown = text[page] ?? "";

  it("has the figures of the stored runs: `node test/bench/figures.js --write`", () => {
    expect(fill(markdown, runs)).toBe(markdown);
    expect(markdown).toMatch(/<!-- figures: runs -->/);
  });

  it("has no figure that comes from no run", () => {
    const prose = withoutFigures(markdown);
    expect(prose).not.toMatch(/<!-- \/?(?:figures|ratio)/);
    expect(prose.match(FIGURE) ?? []).toEqual([]);
    if (page === "docs/how-fast.md") expect(prose).not.toMatch(/^\|/m);
  });
});

it("every table is on a page", () => {
  const shown = [
    ...Object.values(text)
      .join()
      .matchAll(/<!-- figures: ([\w-]+) -->/g),
  ].map(([, name]) => name);
  const missing = ["goals", ...Object.keys(tables)].filter((name) => !shown.includes(name));
  expect(missing).toEqual(pages.includes("README.md") ? [] : ["summary"]);
});

describe("a range", () => {
  it("has two significant digits, three from 100 on", () => {
    expect([0.0684, 0.404, 1.523, 9.96, 10.2, 99.4, 140, 21_808].map(round)).toEqual([
      "0.068",
      "0.40",
      "1.5",
      "10",
      "10",
      "99",
      "140",
      "21,800",
    ]);
  });

  it("goes from the lowest to the highest run, and is a number where these round to the same", () => {
    expect(range([0.43, 0.404, 0.41])).toBe("0.40–0.43");
    expect(range([5.81, 5.84])).toBe("5.8");
    expect(range([5.81, Number.NaN])).toBe("–");
  });

  it("changes with each figure of a run", () => {
    const before = renderTable("fan-out", runs);
    const copies = structuredClone(runs);
    const figures = copies[0]?.rows.find(({ scenario }) => scenario === "echo")?.figures[0];
    expect(figures?.peer).toBe("sendall");
    Object.assign(figures ?? {}, { cpu: 987 });
    expect(renderTable("fan-out", copies)).not.toBe(before);
    expect(renderTable("fan-out", copies)).toContain("987");
  });
});

describe("the goals", () => {
  const [run] = runs;
  /** Runs whose busy room costs so many times as much as Bun's: at most 1.3 is the goal, and 1.15 wanted. */
  const renderBusyRoom = (...ratios: readonly number[]) => {
    const copies = ratios.map((ratio) => {
      const copy = structuredClone(run);
      const figures = copy?.rows.find(({ scenario }) => scenario === "busy-room")?.figures ?? [];
      for (const one of figures) Object.assign(one, { cpu: one.peer === "bun" ? 1 : ratio });
      return copy ?? [];
    });
    const lines = renderGoals(copies.flat()).split("\n");
    return lines.find((line) => line.startsWith("| busy-room: ") && line.includes("| Bun |"));
  };

  it.each([
    [[1.1, 1.14, 1.15], "| 1.1–1.15 | 1.3 | in all | 1.15 | in all |"],
    [[1.1, 1.16, 1.31], "| 1.1–1.31 | 1.3 | in 2 of 3 | 1.15 | in 1 of 3 |"],
    [[1.4, 1.4], "| 1.4 | 1.3 | in none | 1.15 | in none |"],
  ])("are met in as many runs as say so: %j", (ratios, cells) => {
    expect(renderBusyRoom(...ratios)).toContain(cells);
  });

  it("that no run has measured are left out", () => {
    const without = runs.map((one) => ({ ...one, rows: one.rows.filter(({ scenario }) => scenario !== "busy-room") }));
    expect(renderGoals(without)).not.toContain("busy-room:");
    expect(renderGoals(without)).toContain("| echo: ");
  });
});
