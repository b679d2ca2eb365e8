import type { DefaultTheme } from "vitepress";

type Options = NonNullable<Extract<DefaultTheme.Config["search"], { provider: "local" }>["options"]>;

/** VitePress takes these functions to the browser as text: none may use a name from outside itself. */
const textSearch: NonNullable<Options["miniSearch"]> = {
  options: {
    /** `trustProxy` is found by "trustProxy", "trust" and "proxy". */
    processTerm: (term: string) => {
      const parts = term.match(/[A-Z]?[a-z]+|[A-Z]+|\d+/g) ?? [];
      const terms = parts.length > 1 ? [term, ...parts] : [term];
      return terms.map((part) => part.toLowerCase());
    },
  },
  searchOptions: {
    /** Words are found in spite of a typing error; another close code or status is another page. */
    fuzzy: (term: string) => (/\d/.test(term) || term.length < 5 ? false : 0.2),
    prefix: true,
    boost: { title: 4, titles: 1, text: 2 },
    /** The table of options and the guides answer more often than a page that was made of a type. */
    boostDocument: (id: string) => (id.startsWith("/api/") ? 0.2 : id.startsWith("/reference/options") ? 1.5 : 1),
    /** The parts of the name count only in the index: "trustProxy" must not find each page with "proxy". */
    processTerm: (term: string) => term.toLowerCase(),
  },
};

export const search: Options = {
  detailedView: true,
  miniSearch: textSearch,
  /** Code is indexed without its colours: the highlighter takes longer than all the rest. */
  _render(source, env, md) {
    const { highlight } = md.options;
    md.options.highlight = null;
    try {
      const html = md.render(source, env);
      return env.relativePath.startsWith("api/") ? withoutRepeats(html) : html;
    } finally {
      md.options.highlight = highlight ?? null;
    }
  },
};

/** A page of the API without signatures, and without the members that the page of another type describes in the same words. */
function withoutRepeats(html: string): string {
  return html
    .replaceAll(/<blockquote>[\s\S]*?<\/blockquote>/g, "")
    .split(/(?=<h[1-3] )/)
    .filter((section) => !section.includes("<em>Inherited from"))
    .join("");
}
