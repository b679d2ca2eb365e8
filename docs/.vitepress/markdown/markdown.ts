import { fileURLToPath } from "node:url";
import { createMarkdownRenderer, type MarkdownOptions, type MarkdownRenderer } from "vitepress";
import { comments } from "./comments.js";
import { diagrams } from "./diagrams.js";
import { fileNames } from "./file-names.js";
import { slugify } from "./slugify.js";

export const markdown: MarkdownOptions = {
  theme: { light: "github-light", dark: "github-dark" },
  // There are no grammars for these two.
  languageAlias: { caddyfile: "nginx", txt: "text" },
  // The same addresses of headings as on GitHub.
  anchor: { slugify },
  // `{…}` and `:name:` are text, as on GitHub.
  attrs: { disable: true },
  config(md) {
    md.disable("emoji", true);
    md.use(comments).use(fileNames).use(diagrams);
  },
};

/** For tests: renders Markdown as the site does. */
export function createRenderer(): Promise<MarkdownRenderer> {
  return createMarkdownRenderer(fileURLToPath(new URL("../..", import.meta.url)), markdown);
}
