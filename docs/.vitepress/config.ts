import { existsSync, readFileSync } from "node:fs";
import { type DefaultTheme, defineConfig } from "vitepress";
import { markdown } from "./markdown/markdown.js";
import { type Entry, type Group, navigation } from "./navigation.js";
import { search } from "./search.js";
import { sendallInAPage } from "./theme/demo/sendall-in-a-page.js";

const DESCRIPTION =
  "A WebSocket server for Node.js: one handler gets every event, and answers with unicast, broadcast or sendall.";

const { repository }: { repository: { url: string } } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);
const address = repository.url.replace(/^git\+|\.git$/g, "");

function isGroup(item: Entry | Group): item is Group {
  return "items" in item;
}

/** All groups but the first begin closed; VitePress opens the groups around the page that is shown. */
function sidebarOf(group: Group, index: number): DefaultTheme.SidebarItem {
  const items = group.items.map((item) => (isGroup(item) ? sidebarOf(item, 1) : { ...item }));
  return { text: group.text, collapsed: index > 0, items };
}

function linksOf(name: string): Entry[] {
  return navigation
    .filter(({ text }) => text === name)
    .flatMap(({ items }) => items.filter((item): item is Entry => !isGroup(item)));
}

/** Written by typedoc-pages.js; missing only in a `dev` without a build before. */
function readApiSidebar(): DefaultTheme.SidebarMulti {
  const file = new URL("../api/sidebar.json", import.meta.url);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

export default defineConfig({
  lang: "en",
  title: "Sendall",
  titleTemplate: ":title · Sendall",
  description: DESCRIPTION,
  head: [
    ["link", { rel: "icon", href: "/logo.svg", type: "image/svg+xml" }],
    ["meta", { name: "theme-color", content: "#ffffff", media: "(prefers-color-scheme: light)" }],
    ["meta", { name: "theme-color", content: "#1b1b1f", media: "(prefers-color-scheme: dark)" }],
  ],
  // While pages are missing, `SENDALL_DRAFT=1 npm run docs` builds the rest.
  ignoreDeadLinks: process.env.SENDALL_DRAFT === "1",
  // Without it, every page would carry the sidebars of all pages.
  metaChunk: true,
  markdown,
  vite: {
    plugins: [sendallInAPage()],
    build: {
      // Older targets would make the private members of the demo's server a quarter larger.
      target: "es2022",
      chunkSizeWarningLimit: 4_000,
      reportCompressedSize: false,
    },
  },
  themeConfig: {
    logo: { src: "/logo.svg", alt: "" },
    nav: [
      { text: "Start", link: "/start/install", activeMatch: "^/start/" },
      { text: "Guides", link: "/guides/", activeMatch: "^/guides/" },
      { text: "Deploy", link: "/deploy/", activeMatch: "^/deploy/" },
      {
        text: "Reference",
        activeMatch: "^/(reference|api)/",
        items: [...linksOf("Reference"), { text: "API", link: "/api/" }],
      },
      {
        text: "More",
        activeMatch: "^/(troubleshooting|migrate|how-|what-)",
        items: [
          { text: "Troubleshooting", link: "/troubleshooting/" },
          { text: "Migrate", items: linksOf("Migrate") },
          { text: "Background", items: linksOf("Background") },
        ],
      },
    ],
    sidebar: {
      "/": navigation.map((group, index) => sidebarOf(withApi(group), index)),
      ...readApiSidebar(),
    },
    outline: { level: [2, 3], label: "On this page" },
    search: { provider: "local", options: search },
    socialLinks: [{ icon: "github", link: address }],
    footer: { message: "Released under the MIT License." },
    externalLinkIcon: true,
  },
});

function withApi(group: Group): Group {
  if (group.text !== "Reference") return group;
  return { ...group, items: [...group.items, { text: "API", link: "/api/" }] };
}
