import type { MarkdownRenderer } from "vitepress";

const COMMENT = /<!--[\s\S]*?-->/g;

/**
 * HTML comments (the frames and checks of the tests) never reach a page, and text is only text: Vue would read `{{` in a paragraph or
 * in code as an expression.
 */
export function comments(md: MarkdownRenderer): void {
  md.core.ruler.push("sendall-comments", ({ tokens }) => {
    for (const token of tokens) {
      if (token.type === "html_block") token.content = token.content.replace(COMMENT, "");
      for (const child of token.children ?? []) {
        if (child.type === "html_inline") child.content = child.content.replace(COMMENT, "");
      }
    }
  });
  for (const rule of ["text", "code_inline"] as const) {
    const render = md.renderer.rules[rule];
    if (render === undefined) throw new Error(`markdown-it has no rule "${rule}"`);
    md.renderer.rules[rule] = (...args) => render(...args).replaceAll("{{", "&#123;&#123;");
  }
}
