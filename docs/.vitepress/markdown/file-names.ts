import type { MarkdownRenderer } from "vitepress";

/** A block ```` ```js [server.js] ```` says the name of its file above the code. In a `code-group` the tabs say it. */
export function fileNames(md: MarkdownRenderer): void {
  md.core.ruler.push("sendall-file-names", ({ tokens }) => {
    let groups = 0;
    for (const token of tokens) {
      if (token.type === "container_code-group_open") groups++;
      if (token.type === "container_code-group_close") groups--;
      const name = /\[(.+)\]/.exec(token.info)?.[1];
      if (token.type === "fence" && groups === 0 && name !== undefined) token.meta = { ...token.meta, name };
    }
  });
  const fence = md.renderer.rules.fence;
  if (fence === undefined) throw new Error('markdown-it has no rule "fence"');
  md.renderer.rules.fence = (...args) => {
    const [tokens, index] = args;
    const name: string | undefined = tokens[index]?.meta?.name;
    const block = fence(...args);
    if (name === undefined) return block;
    return `<div class="named-block"><p class="file-name">${md.utils.escapeHtml(name)}</p>${block}</div>\n`;
  };
}
