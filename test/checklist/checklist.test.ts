/**
 * Sendall carries forward what five older systems could do, and has a test for each trap that one of them fell into. The
 * tables beside this file say which tests show it; here they are held against the tests that there are.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Row, rows } from "./rows.js";
import { readTitles, type Title } from "./titles.js";
import { traps } from "./traps.js";

/** The features that have to be there, by their number. */
const MUST = [
  1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 30, 31, 32, 34, 35, 36, 37, 39, 40, 41,
  42, 43, 44, 45, 46, 48, 49, 50, 51, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 65, 66, 67, 69, 70, 71, 72, 73, 74, 75,
  77, 78, 79, 80, 82, 88, 90, 91, 93, 94, 97, 98, 103,
];
const ALL = Array.from({ length: 103 }, (_, i) => i + 1);
const TRAPS = Array.from({ length: 20 }, (_, i) => `T${i + 1}`);

const TESTS = fileURLToPath(new URL("..", import.meta.url));

/** Every test of this package, by the path of its file below `test/`. */
function readTests(): Map<string, Title[]> {
  const files = readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".test.ts"));
  return new Map(files.map((path) => [path.replaceAll("\\", "/"), readTitles(readFileSync(TESTS + path, "utf8"))]));
}

/** What is wrong with the tests that a table names, one line each. */
function findFaults(
  named: Readonly<Record<string, Pick<Row, "shownBy">>>,
  tests: ReadonlyMap<string, Title[]>,
): string[] {
  return Object.entries(named).flatMap(([entry, { shownBy }]) =>
    Object.entries(shownBy).flatMap(([file, paths]) => {
      const titles = tests.get(file);
      if (titles === undefined) return [`${entry}: there is no ${file}`];
      if (paths.length === 0) return [`${entry}: names no test of ${file}`];
      return paths.flatMap((path, i) => {
        const found = titles.filter((title) => title.path === path);
        const where = `${entry}: ${file}: "${path}"`;
        if (paths.indexOf(path) !== i) return [`${where} is named twice`];
        if (found.length !== 1) return [`${where} is there ${found.length} times`];
        return found[0]?.isOff === true ? [`${where} is skipped`] : [];
      });
    }),
  );
}

const hasTests = ({ shownBy }: Pick<Row, "shownBy">): boolean => Object.keys(shownBy).length > 0;

describe("the checklist", () => {
  test("has an entry for each feature, and those that must be there are no others than these", () => {
    expect(Object.keys(rows).map(Number)).toEqual(ALL);
    const must = Object.entries(rows).filter(([, row]) => row.is === "must");
    expect(must.map(([number]) => Number(number))).toEqual(MUST);
  });

  test("names tests that show each feature, or says why it is left out", () => {
    for (const [number, row] of Object.entries(rows)) {
      if (row.is === "left out") expect([number, row.why]).toEqual([number, expect.stringMatching(/./)]);
      else expect([number, hasTests(row)]).toEqual([number, true]);
    }
  });

  test("has tests for each trap", () => {
    expect(Object.keys(traps)).toEqual(TRAPS);
    for (const [name, trap] of Object.entries(traps)) expect([name, hasTests(trap)]).toEqual([name, true]);
  });

  test("names tests that exist and are run, each once in an entry", () => {
    const tests = readTests();
    expect(findFaults({ ...rows, ...traps }, tests)).toEqual([]);
  });
});

describe("the reader of titles", () => {
  const source = `
    // test("in a comment", () => {});
    test("plain", () => {});
    describe("a group", { timeout: 5 }, () => {
      it(\`with \${name} in it\`, async () => {});
      test.each([["a", 1]])("for each: %s", () => {});
      test.each<[a: string]>(TABLE)("for each of a table: %s", () => {});
      describe.skipIf(isMissing)("where a program is there", () => {
        test("needs the program", { skip: false }, () => {});
      });
    });
    test.skip("skipped", () => {});
    test.skip.each([1])("skipped for each", () => {});
    test("skipped by an option", { skip: true }, () => {});
    test.todo("to be written");
    test("without a body");
    test.fails("known to fail", () => {});
    describe.skip("a skipped group", () => {
      test("within", () => {});
    });
    expect("test").toBe(other("not a test", () => {}));
  `;

  test("finds them in their groups, and knows who is off", () => {
    const [on, off] = [false, true].map((isOff) =>
      readTitles(source)
        .filter((title) => title.isOff === isOff)
        .map(({ path }) => path),
    );
    expect(on).toEqual([
      "plain",
      "a group > with %s in it",
      "a group > for each: %s",
      "a group > for each of a table: %s",
      "a group > where a program is there > needs the program",
    ]);
    expect(off).toEqual([
      "skipped",
      "skipped for each",
      "skipped by an option",
      "to be written",
      "without a body",
      "known to fail",
      "a skipped group > within",
    ]);
  });
});

describe("the checker", () => {
  const titles: Title[] = [
    { path: "good", isOff: false },
    { path: "off", isOff: true },
    { path: "double", isOff: false },
    { path: "double", isOff: false },
  ];
  const tests = new Map([["a.test.ts", titles]]);

  test.each([
    ["a file that is not there", { "b.test.ts": ["good"] }, "5: there is no b.test.ts"],
    ["a file alone", { "a.test.ts": [] }, "5: names no test of a.test.ts"],
    ["a test that is not there", { "a.test.ts": ["bad"] }, '5: a.test.ts: "bad" is there 0 times'],
    ["a test that may be either of two", { "a.test.ts": ["double"] }, '5: a.test.ts: "double" is there 2 times'],
    ["a test that is skipped", { "a.test.ts": ["good", "off"] }, '5: a.test.ts: "off" is skipped'],
    ["a test twice", { "a.test.ts": ["good", "good"] }, '5: a.test.ts: "good" is named twice'],
  ])("finds %s", (_what, shownBy, fault) => {
    expect(findFaults({ 5: { shownBy } }, tests)).toEqual([fault]);
  });

  test("finds nothing where all is well", () => {
    expect(findFaults({ 5: { shownBy: { "a.test.ts": ["good"] } } }, tests)).toEqual([]);
  });
});
