/** Tables of the documentation's pages, for tests that compare them with the code. */
import { readFileSync } from "node:fs";

export function readDocs(path: string): string {
  return readFileSync(new URL(`../../docs/${path}.md`, import.meta.url), "utf8");
}

/** The part of a page below a heading, up to the next heading of the same or a higher level. */
export function section(page: string, heading: string): string {
  const [, marks = "", body = ""] =
    new RegExp(`^(#+) ${heading.replaceAll(/[()]/g, "\\$&")}\\n([\\s\\S]*)`, "m").exec(page) ?? [];
  if (marks === "") throw new Error(`the page has no heading "${heading}"`);
  return body.split(new RegExp(`^#{1,${marks.length}} `, "m"))[0] ?? "";
}

export interface Row {
  readonly anchor: string | undefined;
  readonly cells: readonly string[];
}

/** The rows of all tables of a text, without their heads; `anchor` is the id that stands in the first cell. */
export function rowsOf(text: string): Row[] {
  const tables = [...text.matchAll(/^\|.*\n\|[-| ]+\n((?:\|.*\n)*)/gm)];
  return tables
    .flatMap(([, body = ""]) => body.split("\n"))
    .filter((line) => line !== "")
    .map((line) => {
      const [, anchor] = /<a id="([\w-]+)"><\/a>/.exec(line) ?? [];
      const cells = line
        .replace(/<a id="[\w-]+"><\/a>/, "")
        .split("|")
        .slice(1, -1);
      return { anchor, cells: cells.map((cell) => cell.trim()) };
    });
}

/** The first words of the code spans of a cell: `members` of "`members(room)`, `rooms()`" and so on. */
export function namesIn(cell: string | undefined): string[] {
  return Array.from((cell ?? "").matchAll(/`(-*[\w.-]+)[^`]*`/g), ([, name = ""]) => name);
}

export function columnOf(rows: readonly Row[], column: number): string[] {
  return rows.flatMap(({ cells }) => namesIn(cells[column]));
}
