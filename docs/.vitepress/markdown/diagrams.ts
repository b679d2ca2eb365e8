import { renderMermaidSVG } from "beautiful-mermaid";
import type { MarkdownRenderer } from "vitepress";

type Token = Parameters<MarkdownRenderer["renderer"]["render"]>[0][number];

/** The colours of the site: the browser looks them up, so a diagram follows the switch of light and dark. */
const COLOURS = {
  bg: "var(--vp-c-bg)",
  fg: "var(--vp-c-text-1)",
  line: "var(--vp-c-text-3)",
  accent: "var(--vp-c-brand-1)",
  muted: "var(--vp-c-text-2)",
  surface: "var(--vp-c-bg-soft)",
  border: "var(--vp-c-border)",
  transparent: true,
  padding: 8,
};

/** Lines that may change nothing: a participant that a later line would add, and the ends of blocks. */
const SILENT = /^(?:%%.*|end|participant .*|actor .*|direction .*|accTitle:.*|accDescr:.*|autonumber)?$/;
const TITLE = /^\s*(?:%%\s*title|accTitle):\s*(.+)$/m;

/** A fence of Mermaid becomes a picture in the page, without a script and without a request. An error ends the build. */
export function diagrams(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence;
  if (fence === undefined) throw new Error('markdown-it has no rule "fence"');
  md.renderer.rules.fence = (...args) => {
    const [tokens, index, , env] = args;
    const token = tokens[index];
    if (token?.info.trim() !== "mermaid") return fence(...args);
    try {
      return draw(token.content, `diagram-${index}`, md.utils.escapeHtml(titleOf(tokens, index)));
    } catch (error) {
      throw new Error(`${env.relativePath}: a diagram cannot be drawn: ${(error as Error).message}`);
    }
  };
}

/** The diagram's own title, or the heading above it. */
function titleOf(tokens: readonly Token[], index: number): string {
  const title = TITLE.exec(tokens[index]?.content ?? "")?.[1];
  const heading = tokens.slice(0, index).findLastIndex(({ type }) => type === "heading_open");
  return title?.trim() ?? `Diagram: ${tokens[heading + 1]?.content ?? ""}`;
}

/** `id` tells the arrow heads of several diagrams of a page apart. */
function draw(source: string, id: string, label: string): string {
  const picture = source.replace(/^\s*accTitle:.*$/m, "");
  const svg = renderMermaidSVG(picture, COLOURS);
  const lines = picture.trimEnd().split("\n");
  for (const [index, line] of lines.entries()) {
    // The program passes over what it does not understand. Such a line changes nothing.
    if (!SILENT.test(line.trim()) && render(lines.toSpliced(index, 1).join("\n")) === svg) {
      throw new Error(`line "${line.trim()}" means nothing`);
    }
  }
  return `<figure class="diagram" tabindex="0">${svg
    // The rules are in theme/diagrams.css, without the fonts from elsewhere.
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replaceAll(/\bid="([^"]+)"/g, `id="${id}-$1"`)
    .replaceAll(/url\(#([^)]+)\)/g, `url(#${id}-$1)`)
    .replace("<svg ", `<svg role="img" aria-label="${label}" v-pre `)
    .replace(/(\swidth="([\d.]+)".*? style=")/, "$1--width:$2px;")
    .replaceAll(/\n\s*/g, "")}</figure>\n`;
}

/** `undefined` if what is left is no diagram. */
function render(source: string): string | undefined {
  try {
    return renderMermaidSVG(source, COLOURS);
  } catch {
    return undefined;
  }
}
