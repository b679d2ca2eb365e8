/** What the site adds to Markdown: diagrams, names of files, text that only the tests read. */
import { beforeAll, describe, expect, test } from "vitest";
import { createRenderer } from "../../docs/.vitepress/markdown/markdown.js";
import { slugify } from "../../docs/.vitepress/markdown/slugify.js";

const FENCE = "```";

let renderer: Awaited<ReturnType<typeof createRenderer>>;
beforeAll(async () => {
  renderer = await createRenderer();
});

function render(...lines: readonly string[]): string {
  return renderer.render(lines.join("\n"), { relativePath: "guides/drawn.md" });
}

const diagram = (...lines: readonly string[]): string => render("## A life", "", `${FENCE}mermaid`, ...lines, FENCE);

describe("a diagram", () => {
  test("is a picture in the page, in the colours of the site", () => {
    const html = diagram("stateDiagram-v2", "  [*] --> open: connect", "  open --> [*]: close");
    expect(html).toMatch(/<svg role="img" aria-label="Diagram: A life"/);
    expect(html).toContain("--fg:var(--vp-c-text-1)");
    expect(html).not.toMatch(/<style|<script|@import|https?:\/\/(?!www\.w3\.org)/);
  });

  test.each([
    ["%% title: A socket & its end", "flowchart LR", "  a --> b"],
    ["flowchart LR", "  accTitle: A socket & its end", "  a --> b"],
  ])("takes its label from its own title: %s", (...lines) => {
    expect(diagram(...lines)).toContain('aria-label="A socket &amp; its end"');
  });

  test.each(["flowchart", "sequenceDiagram"])("keeps its arrow heads apart from those of another: %s", (kind) => {
    const lines = kind === "flowchart" ? ["flowchart LR", "a --> b"] : ["sequenceDiagram", "a->>b: hi"];
    const html = render(`${FENCE}mermaid`, ...lines, FENCE, "", `${FENCE}mermaid`, ...lines, FENCE);
    const ids = Array.from(html.matchAll(/\bid="([^"]+)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of html.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id);
  });

  test.each([
    ["a kind that does not exist", ["flowchar LR", "  a --> b"], /flowchar LR/],
    ["an arrow that does not exist", ["flowchart LR", "  a --> b", "  b ==>> c"], /b ==>> c/],
    ["a line without a meaning", ["sequenceDiagram", "  a->>b: hi", "  b says nothing"], /b says nothing/],
  ])("ends the build with its page's name: %s", (_, lines, message) => {
    expect(() => diagram(...lines)).toThrow(/guides\/drawn\.md/);
    expect(() => diagram(...lines)).toThrow(message);
  });
});

describe("a block of code", () => {
  test("shows the name of its file", () => {
    expect(render(`${FENCE}js [public/chat.js]`, "x", FENCE)).toContain('<p class="file-name">public/chat.js</p>');
    expect(render(`${FENCE}js`, "x", FENCE)).not.toContain("file-name");
  });

  test("leaves the name to the tab within a group", () => {
    const html = render("::: code-group", `${FENCE}js [zod]`, "x", FENCE, ":::");
    expect(html).not.toContain("file-name");
    expect(html).toContain('data-title="zod"');
  });
});

describe("text", () => {
  test("of the tests does not reach the page", () => {
    const html = render(
      "Before",
      "",
      "<!-- check",
      "<script>",
      "",
      "{{ secret }}",
      "-->",
      "",
      "between<!-- inline -->",
      "",
      "after",
    );
    expect(html).toContain("after");
    expect(html).not.toMatch(/secret|<!--|inline|script/);
  });

  test("is no expression of Vue", () => {
    const html = render("# {{ a }}", "", "Text {{ b }} and `code {{ c }}`", "", `${FENCE}js`, "{{ d }}", FENCE);
    // Vue reads no expressions in attributes, nor within `v-pre`.
    const text = html.replaceAll(/="[^"]*"/g, "").replaceAll(/<(pre|code)[^>]* v-pre[\s\S]*?<\/\1>/g, "");
    expect(text).not.toContain("{{");
  });

  test("is not changed by short forms that GitHub has not", () => {
    expect(render("Port :100: for {id}")).toContain("Port :100: for {id}");
  });
});

describe("the address of a heading", () => {
  test.each([
    ["What's a room?", "whats-a-room"],
    ["`resume.graceMs`", "resumegracems"],
    ["1013: try again later", "1013-try-again-later"],
    ["Rooms, users & tabs", "rooms-users--tabs"],
  ])("is the one that GitHub makes: %s", (title, expected) => {
    expect(slugify(title)).toBe(expected);
  });
});
