/**
 * Holds the pages for contributors to their word: what ARCHITECTURE.md, CONTRIBUTING.md and SECURITY.md name exists, and the floors
 * and doors of ARCHITECTURE.md are those of the layering test.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const PAGES = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

function read(path: string): string {
  return readFileSync(root + path, "utf8");
}

/** The part of a page below a heading, up to the next heading of the same or a higher level. */
function section(page: string, heading: string): string {
  const [, marks = "", body = ""] = new RegExp(`^(#+) ${heading}\\n([\\s\\S]*)`, "m").exec(page) ?? [];
  return body.split(new RegExp(`^#{1,${marks.length}} `, "m"))[0] ?? "";
}

/** The rows of the first table, without its head; a cell is as it stands, without the spaces around. */
function rowsOf(text: string): string[][] {
  const table = /^\|.*\n\|[-| ]+\n(?<rows>(?:\|.*\n)*)/m.exec(text)?.groups?.rows ?? "";
  return table
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** The words of every code span and code block. */
function codeWords(page: string): string[] {
  const code = [...page.matchAll(/^```\w*\n([\s\S]*?)^```$|`([^`\n]+)`/gm)].map(
    ([, block, span]) => block ?? span ?? "",
  );
  return code.flatMap((text) => text.split(/[\s()"',;]+/));
}

const FOLDER = /^(?:src|test|scripts|examples|docs|\.ci|\.github)\//;
const AT_THE_TOP = /^[\w.-]+\.(?:md|json|ts|yml)$/;
/** Stands for a name that a contributor chooses, and `*` for any: the folder around has to exist. */
const PLACEHOLDER = /NAME|\*/;
/** Made by a command, and not committed. */
const MADE = /^docs\/(?:api|node_modules)\//;

function pathsOf(page: string): string[] {
  const paths = codeWords(page).filter((word) => (FOLDER.test(word) || AT_THE_TOP.test(word)) && !MADE.test(word));
  return [...new Set(paths)];
}

function exists(path: string): boolean {
  return existsSync(root + (PLACEHOLDER.test(path) ? dirname(path) : path));
}

/** An anchor as GitHub makes it out of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .replaceAll(" ", "-");
}

function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

function leads(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  if (path !== "" && !existsSync(root + path)) return false;
  return anchor === undefined || anchorsOf(read(path === "" ? page : path)).includes(anchor);
}

const architecture = read("ARCHITECTURE.md");
const layering = read("test/layering.test.ts");

/** The text between a constant's `=` and the end of its statement. */
function initializerOf(constant: string): string {
  return new RegExp(`^const ${constant}\\b[^=]*= ([\\s\\S]*?^[\\]}];)`, "m").exec(layering)?.[1] ?? "";
}

const strings = (text: string): string[] => [...text.matchAll(/"([^"]+)"/g)].map(([, string = ""]) => string);

/** From the top; the door plates, which have a name of their own in the layering test, are one. */
const floors = [...initializerOf("FLOORS").matchAll(/^ {2}\[(.*)\],$/gm)].map(([, rooms = ""]) =>
  rooms === "PLATES" ? ["door plates"] : strings(rooms),
);

describe.each(PAGES)("%s", (name) => {
  const page = read(name);

  test("names files and folders that exist", () => {
    expect(pathsOf(page).filter((path) => !exists(path))).toEqual([]);
  });

  test("links to pages and headings that exist", () => {
    const links = [...page.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^\w+:/.test(link));
    expect(links.filter((link) => !leads(name, link))).toEqual([]);
  });

  test("names scripts of package.json", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...page.matchAll(/npm run (?:--silent )?(\w+)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });
});

describe("the floor plan", () => {
  const rows = rowsOf(section(architecture, "The floor plan"));
  const planned = rows.map(([floor = "", room = ""]) => [Number(floor), room.replace(/^`src\/(\w+)\/`$/, "$1")]);

  test("has the floors of the layering test", () => {
    expect(floors.length).toBeGreaterThan(5);
    expect(planned).toEqual(floors.flatMap((rooms, i) => rooms.map((room) => [i + 1, room])));
  });

  test("lists every room of src/", () => {
    const rooms = readdirSync(`${root}src`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(planned.map(([, room]) => room)).toEqual(expect.arrayContaining(rooms.map((room) => room.name)));
  });

  test("has the doors of the layering test", () => {
    const doors = [...initializerOf("DOORS").matchAll(/^ {2}"?([\w@#/:-]+)"?: \[([^\]]*)\]/gm)];
    const listed = rowsOf(section(architecture, "Doors")).map(([name = "", files = ""]) => [
      name.replaceAll("`", ""),
      [...files.matchAll(/`src\/([^`]+)`/g)].map(([, file]) => file),
    ]);
    expect(doors.length).toBeGreaterThan(5);
    expect(listed).toEqual(doors.map(([, name, files = ""]) => [name, strings(files)]));
  });
});

describe("CONTRIBUTING.md", () => {
  test("says what every folder of test/ is for", () => {
    const folders = readdirSync(`${root}test`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const named = rowsOf(section(read("CONTRIBUTING.md"), "Tests")).map(([path]) => path);
    expect(named).toEqual(expect.arrayContaining(folders.map(({ name }) => `\`test/${name}/\``)));
  });
});

describe("the glossary", () => {
  const rows = rowsOf(section(architecture, "The glossary"));

  test("names the file that declares each term", () => {
    const declared = rows.filter(([term = ""]) => term.startsWith("`"));
    expect(declared.length).toBeGreaterThan(20);
    const lost = declared.filter(([term = "", file = ""]) => {
      const declaration = new RegExp(
        `^export (?:abstract )?(?:class|interface|type|function|const) ${term.replaceAll("`", "")}\\b`,
        "m",
      );
      return !declaration.test(read(file.replaceAll("`", "")));
    });
    expect(lost.map(([term, file]) => `${term} is not declared in ${file}`)).toEqual([]);
  });
});

describe("the contract by number", () => {
  const numbers = [...section(architecture, "The contract by number").matchAll(/^(\d+)\. /gm)].map(([, number]) =>
    Number(number),
  );

  test("has the numbers of the sentences in docs/reference/contract.md", () => {
    const lines = [...read("docs/reference/contract.md").matchAll(/^(\d+)\. /gm)];
    expect(numbers.length).toBeGreaterThan(5);
    expect(numbers).toEqual(lines.map(([, number]) => Number(number)));
  });

  test("has every line that a comment cites", () => {
    const files = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" }).filter((path) =>
      path.endsWith(".ts"),
    );
    const cited = files.flatMap((path) => [...read(`src/${path}`).matchAll(/contract (\d+(?:(?:, | and )\d+)*)/g)]);
    const known = cited.flatMap(([, list = ""]) => list.split(/, | and /).map(Number));
    expect(known.length).toBeGreaterThan(0);
    expect(known.filter((number) => !numbers.includes(number))).toEqual([]);
  });
});

describe("the reader of pages", () => {
  test("takes paths out of code, and leaves the rest", () => {
    const page = [
      "`npx vitest run test/unit -t x`, `src/a.ts` and src/b.ts",
      "```sh",
      "cat biome.json",
      "```",
      "",
    ].join("\n");
    expect(pathsOf(`${page}\`sendall/client\` \`src/NAME.ts\` \`docs/api/index.html\``)).toEqual([
      "test/unit",
      "src/a.ts",
      "biome.json",
      "src/NAME.ts",
    ]);
  });

  test("finds that a file, a folder around a new file, and an anchor are missing", () => {
    expect(exists("src/index.ts")).toBe(true);
    expect(exists("src/nothing.ts")).toBe(false);
    expect(exists("src/nothing/NAME.ts")).toBe(false);
    expect(leads("ARCHITECTURE.md", "#the-glossary")).toBe(true);
    expect(leads("ARCHITECTURE.md", "README.md#nothing")).toBe(false);
  });
});
