/**
 * The contract on this Node, on Bun and on Deno: `test/runtimes/contract.js` checks and names each sentence itself. `.ci/run` starts the same program
 * on other versions of Node.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { differences, unreliable } from "../runtimes/differences.js";
import { readDocs, rowsOf, section } from "../site/tables.js";
import { run, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const PROGRAM = fileURLToPath(new URL("../runtimes/contract.js", import.meta.url));

const runtimes = [
  { name: "Node", skip: false, path: process.execPath, flags: [] },
  { name: "Bun", ...requires("bun"), flags: [] },
  { name: "Deno", ...requires("deno"), flags: ["run", "--allow-all"] },
];

afterEach(stopPrograms);

describe.each(runtimes)("$name", ({ name, skip, path, flags }) => {
  test.skipIf(skip)("keeps the contract, but for the differences that are listed", async () => {
    const { code, stdout } = await run(path, [...flags, PROGRAM]).ended;
    expect(stdout[0]).toMatch(new RegExp(`^# ${name} \\d+`));
    expect(stdout.filter((line) => !/^(?:# |1\.\.|ok )/.test(line))).toEqual([]);
    expect(stdout.at(-1)).toMatch(/^# [1-9]\d+ passed, 0 failed$/);
    expect(code).toBe(0);
  });
});

describe("the page about Bun and Deno", () => {
  const page = readDocs("reference/runtimes");

  test("has the differences of the program", () => {
    const shown = rowsOf(section(page, "What differs")).map(({ cells }) =>
      cells.map((cell) => cell.replaceAll("`", "")),
    );
    const listed = [...Object.entries(differences), ...Object.entries(unreliable)].flatMap(([sentence, places]) =>
      Object.entries(places).map(([runtime, difference]) => [sentence, runtime, difference]),
    );
    expect(shown).toEqual(listed);
  });

  test("has the versions that are installed", () => {
    const { devDependencies } = JSON.parse(readFileSync(new URL("../runtimes/package.json", import.meta.url), "utf8"));
    const rows = rowsOf(section(page, "What was checked")).map(({ cells }) => cells);
    expect(rows.slice(1)).toEqual([
      ["Bun", devDependencies.bun],
      ["Deno", devDependencies.deno],
    ]);
  });
});
