/** Which pages there are. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Page, readPage } from "./markdown.js";

const DOCS = new URL("../../docs/", import.meta.url);

/** Paths of all pages that people write, as `guides/rooms-and-users`. */
export function allPages(): string[] {
  return readdirSync(fileURLToPath(DOCS), { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".md") && !/^(api|dist|node_modules|\.vitepress)\//.test(path))
    .map((path) => path.replace(/\.md$/, ""))
    .sort();
}

export function pagesIn(section: string): string[] {
  return allPages().filter((path) => path.startsWith(`${section}/`));
}

/** `"README"` is the README. */
export function pageOf(path: string): Page {
  return readPage(path, path === "README" ? new URL("../README.md", DOCS) : new URL(`${path}.md`, DOCS));
}
