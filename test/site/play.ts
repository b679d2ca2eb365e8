/** Makes tests of pages of the documentation. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Page } from "./markdown.js";
import { Player, runsInVitest } from "./player.js";
import { asUrl, HOME } from "./programs.js";
import { closeBrowser } from "./scope.js";
import { createWorkplace, type Workplace } from "./workplace.js";

/** A file that nothing on the page uses is no example of anything. */
function unusedFiles({ parts }: Page): string[] {
  return parts.flatMap((part, i) => {
    if (part.kind === "check" || part.name === undefined || runsInVitest(part)) return [];
    const base = part.name.split("/").at(-1) ?? "";
    const stem = base.replace(/\.\w+$/, "");
    const others = [...parts.slice(i + 1), ...parts.slice(0, i)];
    const isUsed =
      others.some(({ code }) => code.includes(base) || code.includes(`/${stem}`)) ||
      base === "package.json" ||
      base === "tsconfig.json" ||
      base === "index.html";
    return isUsed ? [] : [`line ${part.line}: ${part.name}`];
  });
}

/** The tests that a page shows run as tests of ours, each as the file that a reader would make of it. */
async function collectTests(page: Page, workplace: Workplace): Promise<void> {
  const shows = page.parts.filter((part) => part.kind === "block" && runsInVitest(part));
  if (shows.length === 0) return;
  const folder = join(workplace.folder, `tests-${page.path.replaceAll("/", "-")}`);
  for (const part of page.parts) {
    if (part.kind === "check" || (part.name === undefined && !runsInVitest(part))) continue;
    const name = part.name ?? `line-${part.line}.test.${part.language}`;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), part.code);
    if (runsInVitest(part)) await import(/* @vite-ignore */ asUrl(join(folder, name)));
  }
}

/** Tests for each of the pages; called while tests are collected. */
export async function playPages(pages: readonly Page[]): Promise<void> {
  const workplace = createWorkplace();
  afterAll(async () => {
    await closeBrowser();
    workplace.remove();
  });
  for (const page of pages) {
    await describe(`the page ${page.path}`, async () => {
      test("uses each file that it shows", () => expect(unusedFiles(page)).toEqual([]));
      if (page.playedBy !== undefined) {
        test(`is played by ${page.playedBy}`, () => {
          expect(readFileSync(join(HOME, page.playedBy ?? ""), "utf8")).toContain(page.path);
        });
        return;
      }
      if (page.parts.length > 0) test("holds what it says", () => new Player(page, workplace).play());
      await collectTests(page, workplace);
    });
  }
}

/** Runs code blocks that stand on no page, such as those of TSDoc. */
export function playBlocks(
  name: string,
  blocks: readonly { readonly language: string; readonly code: string }[],
): Promise<void> {
  const parts = blocks.map(({ language, code }, i) => ({
    kind: "block" as const,
    line: i + 1,
    language,
    name: undefined,
    code,
    shown: code,
  }));
  return playPages([{ path: name, parts, playedBy: undefined }]);
}
