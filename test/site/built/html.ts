/** What a test wants to know of one page of the built site. */
import { parse } from "parse5";

/** The part of parse5's tree that is read here. */
interface HtmlNode {
  readonly nodeName: string;
  readonly attrs?: readonly { readonly name: string; readonly value: string }[];
  readonly childNodes?: readonly HtmlNode[];
  readonly value?: string;
}

export interface Page {
  /** As a browser asks for it: `/guides/sessions.html`. */
  readonly path: string;
  readonly title: string;
  readonly description: string;
  readonly headings: readonly string[];
  readonly ids: ReadonlySet<string>;
  /** The `href` of each link that a reader can follow. */
  readonly links: readonly string[];
  /** What the browser fetches by itself: scripts, styles, fonts, images. */
  readonly loads: readonly string[];
  /** The labels of the diagrams. */
  readonly diagrams: readonly string[];
}

function* walk(node: HtmlNode): Generator<HtmlNode> {
  yield node;
  for (const child of node.childNodes ?? []) yield* walk(child);
}

function textOf(node: HtmlNode): string {
  return [...walk(node)].map(({ value = "" }) => value).join("");
}

/** The addresses in a style sheet: `url(…)` and `@import "…"`. */
export function addressesOf(css: string): string[] {
  return Array.from(
    css.matchAll(/url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)/g),
    ([, url, file]) => url ?? file ?? "",
  );
}

export function readPage(path: string, html: string): Page {
  const nodes = [...walk(parse(html) as HtmlNode)];
  const attribute = ({ attrs }: HtmlNode, name: string): string | undefined =>
    attrs?.find((one) => one.name === name)?.value;
  const all = (...names: readonly string[]): HtmlNode[] => nodes.filter(({ nodeName }) => names.includes(nodeName));
  const values = (found: readonly HtmlNode[], name: string): string[] =>
    found.flatMap((node) => attribute(node, name) ?? []);
  const styles = [...all("style").map(textOf), ...values(nodes, "style")];
  return {
    path,
    title: all("title").map(textOf).join(),
    description: all("meta")
      .filter((node) => attribute(node, "name") === "description")
      .flatMap((node) => attribute(node, "content") ?? [])
      .join(),
    headings: all("h1").map((node) => textOf(node).replaceAll("\u200b", "").trim()),
    ids: new Set(values(nodes, "id")),
    links: values(all("a"), "href"),
    loads: [
      ...values(all("script", "img", "source", "video", "audio", "iframe", "embed"), "src"),
      ...values(all("img", "source"), "srcset").flatMap((set) =>
        set.split(",").map((one) => one.trim().split(" ")[0] ?? ""),
      ),
      ...values(all("link", "image", "use"), "href"),
      ...values(all("object"), "data"),
      ...styles.flatMap(addressesOf),
    ].filter((address) => !address.startsWith("data:") && !address.startsWith("#")),
    diagrams: all("svg")
      .filter((node) => attribute(node, "role") === "img")
      .flatMap((node) => attribute(node, "aria-label") ?? []),
  };
}
