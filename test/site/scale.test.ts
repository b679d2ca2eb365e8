/** The tables of the sizing page come from the stored run of `npm run bench -- --scale`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { paperOf } from "../bench/scale/growth.js";
import { fillScale, SCALE_PAGES, SCALE_TABLES } from "../bench/scale/pages.js";
import { readScaleRun } from "../bench/scale/stored.js";

const stored = readScaleRun();
const pages = SCALE_PAGES.map((page) => readFileSync(new URL(`../../${page}`, import.meta.url), "utf8"));

describe("the sizing page", () => {
  it("has the tables of the stored run: `node test/bench/figures.js --write`", () => {
    if (stored === undefined) throw new Error("no run is stored");
    for (const markdown of pages) expect(fillScale(markdown, stored)).toBe(markdown);
  });

  it("shows every table", () => {
    const shown = [...pages.join().matchAll(/<!-- scale: ([\w-]+) -->/g)].map(([, name]) => name);
    expect(shown.toSorted()).toEqual(SCALE_TABLES.toSorted());
  });

  it("rests on a play in which the packets of both engines were those of the play, and which the paper foretells", () => {
    expect(stored?.reality.map(({ engine }) => engine)).toEqual(["nats", "redis"]);
    for (const { played, real } of stored?.reality ?? []) expect(real).toEqual(played);
    expect(stored?.sizes.length).toBeGreaterThan(1);
    for (const { law, perNode } of stored?.sizes ?? [])
      for (const [name, figure] of Object.entries(paperOf(law))) {
        const ratio = (perNode[name] ?? 0) / figure;
        expect([name, ratio > 0.7 && ratio < 1.4]).toEqual([name, true]);
      }
  });
});

describe("npm run bench -- --scale", () => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, ["test/bench/run.js", "--scale", ...args], { encoding: "utf8" });

  it("plays a cluster with the stored costs, twice the same", () => {
    const args = ["--stored", "--json", "--nodes", "3", "--clients", "60", "--seconds", "20"];
    const [first, second] = [run(...args), run(...args)].map(({ status, stdout }) => {
      expect(status).toBe(0);
      return JSON.parse(stdout).sizes[0];
    });
    const HEAP = "heap with its clients, kB, at the end";
    const [{ [HEAP]: _heap, ...figures }, { [HEAP]: _otherHeap, ...others }] = [first.perNode, second.perNode];
    expect(others).toEqual(figures);
    expect(first.law).toMatchObject({ nodes: 3, clients: 60 });
    expect(figures["deliveries to clients"]).toBeGreaterThan(figures["messages from clients"]);
    // Each node hears the two others, once in 10 s.
    expect(figures["– beats of presence"]).toBeCloseTo(0.2);
    expect(figures["– messages"]).toBeGreaterThan(figures["messages from clients"]);
  });

  it("says which of node, engine, network and memory is full first", () => {
    const { status, stdout } = run("--stored", "--nodes", "2", "--seconds", "5");
    expect(status).toBe(0);
    for (const engine of ["NATS, without history", "Redis, with history"])
      expect(stdout).toMatch(
        new RegExp(`\\| on paper: 2 nodes, 100 clients \\|.*\\| fullest \\|\n.*\n\\| ${engine} \\|.*\\| memory \\|\n`),
      );
  });

  it.each([
    [["--nodes", "0"], "--nodes 0: expected a whole number from 1 to 1,000"],
    [["--nodes", "1001"], "--nodes 1001: expected a whole number from 1 to 1,000"],
    [["--seconds", "0.5"], "--seconds 0.5: expected a whole number from 1 to"],
    [["--nodes", "2", "--exponent", "steep"], "--exponent steep: expected a number from 0.1 to 10"],
    [["--clients", "9"], "--clients needs --nodes"],
    [["--store"], "--store goes neither with --nodes nor with --stored"],
    [["--node", "9"], "Unknown option '--node'"],
  ])("refuses %j", (args, why) => {
    const { status, stderr } = run("--stored", ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(`bench --scale: ${why}`);
  });
});
