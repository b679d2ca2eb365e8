/**
 * Sendall carries forward the features of five older systems, and has tests for each trap into which at least one of the systems fell. The
 * tables beside this file name the test files; the tests here check that each file exists and has tests.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Row, rows } from "./rows.js";
import { countTests } from "./tests.js";
import { traps } from "./traps.js";

/** The numbers of the features that Sendall must have. */
const MUST = [
  1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 30, 31, 32, 34, 35, 36, 37, 39, 40, 41,
  42, 43, 44, 45, 46, 48, 49, 50, 51, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 65, 66, 67, 69, 70, 71, 72, 73, 74, 75,
  77, 78, 79, 80, 82, 88, 90, 91, 93, 94, 97, 98, 103,
];
const ALL = Array.from({ length: 103 }, (_, i) => i + 1);
const TRAPS = Array.from({ length: 20 }, (_, i) => `T${i + 1}`);

const TESTS = fileURLToPath(new URL("..", import.meta.url));

/** How many tests each test file has, by the file's path below `test/`. */
function readTests(): Map<string, number> {
  const files = readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".test.ts"));
  return new Map(files.map((path) => [path.replaceAll("\\", "/"), countTests(readFileSync(TESTS + path, "utf8"))]));
}

/** The faults of a table, one line each. */
function findFaults(
  table: Readonly<Record<string, Pick<Row, "shownBy">>>,
  tests: ReadonlyMap<string, number>,
): string[] {
  return Object.entries(table).flatMap(([entry, { shownBy }]) =>
    shownBy.flatMap((file, i) => {
      if (shownBy.indexOf(file) !== i) return [`${entry}: ${file} is named twice`];
      const count = tests.get(file);
      if (count === undefined) return [`${entry}: there is no ${file}`];
      return count === 0 ? [`${entry}: ${file} has no test that runs`] : [];
    }),
  );
}

describe("the checklist", () => {
  test("has a row for each feature, and the features that Sendall must have are exactly those listed", () => {
    expect(Object.keys(rows).map(Number)).toEqual(ALL);
    const must = Object.entries(rows).filter(([, row]) => row.is === "must");
    expect(must.map(([number]) => Number(number))).toEqual(MUST);
  });

  test("names test files for each feature, or says why the feature is left out", () => {
    for (const [number, row] of Object.entries(rows)) {
      if (row.is === "left out") expect([number, row.why]).toEqual([number, expect.stringMatching(/./)]);
      else expect([number, row.shownBy]).not.toEqual([number, []]);
    }
  });

  test("names test files for each trap", () => {
    expect(Object.keys(traps)).toEqual(TRAPS);
    for (const [name, { shownBy }] of Object.entries(traps)) expect([name, shownBy]).not.toEqual([name, []]);
  });

  test("names files that exist and have tests that run, each file once in a row", () => {
    expect(findFaults({ ...rows, ...traps }, readTests())).toEqual([]);
  });
});

describe("the counter of tests", () => {
  test.each([
    ['test("plain", () => {});'],
    ["it(`with a title in backquotes`, async () => {});"],
    ['test.each([["a", 1]])("for each: %s", () => {});'],
    ['test.each<[a: string]>(TABLE)("for each of a table: %s", () => {});'],
    ['test("with an option", { skip: false }, () => {});'],
    ['describe("a group", { timeout: 5 }, () => { test("within", () => {}); });'],
    ['describe.skipIf(isMissing)("where a program is there", () => { test("within", () => {}); });'],
  ])("counts %s", (source) => {
    expect(countTests(source)).toBe(1);
    expect(countTests(source + source)).toBe(2);
  });

  test.each([
    ['// test("in a comment", () => {});'],
    ['test.skip("skipped", () => {});'],
    ['test.skip.each([1])("skipped for each", () => {});'],
    ['test("skipped by an option", { skip: true }, () => {});'],
    ['test.todo("to be written");'],
    ['test("without a body");'],
    ['test.fails("known to fail", () => {});'],
    ['describe("an empty group", () => {});'],
    ['describe.skip("a skipped group", () => { test("within", () => {}); });'],
    ['expect("test").toBe(other("not a test", () => {}));'],
  ])("does not count %s", (source) => {
    expect(countTests(source)).toBe(0);
  });
});

describe("the checker of tables", () => {
  const tests = new Map([
    ["a.test.ts", 2],
    ["empty.test.ts", 0],
  ]);

  test.each([
    ["a file that does not exist", ["b.test.ts"], "5: there is no b.test.ts"],
    ["a file without tests", ["a.test.ts", "empty.test.ts"], "5: empty.test.ts has no test that runs"],
    ["a file that is named twice", ["a.test.ts", "a.test.ts"], "5: a.test.ts is named twice"],
  ])("finds %s", (_what, shownBy, fault) => {
    expect(findFaults({ 5: { shownBy } }, tests)).toEqual([fault]);
  });

  test("finds no fault in a table whose files exist and have tests", () => {
    expect(findFaults({ 5: { shownBy: ["a.test.ts"] } }, tests)).toEqual([]);
  });
});
