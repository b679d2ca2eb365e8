// @ts-check
/**
 * A plugin for TypeDoc: what turns the Markdown of typedoc-plugin-markdown into pages of this site. Each page gets a title, a description
 * and the line that imports the name; docs/api/ gets its start page and `sidebar.json`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ReflectionKind } from "typedoc";
import { MarkdownPageEvent, MarkdownRendererEvent } from "typedoc-plugin-markdown";

/** The start page lists these names of each entry point: where people begin to read. */
const STARTS = {
  sendall: [
    "serve",
    "attach",
    "ServerOptions",
    "Handler",
    "Bus",
    "Connection",
    "ServerEvent",
    "Server",
    "SendallError",
  ],
  "sendall/client": ["connect", "ConnectOptions", "Client"],
  "sendall/protocol": ["protocol", "Protocol", "ProtocolContext"],
  "sendall/react": ["useClient", "useMessages", "useClientState"],
  "sendall/testing": ["createTestRuntime", "TestRuntime", "TestClient", "explore"],
  "sendall/metrics": ["metrics", "MetricsOptions"],
  "sendall/otel": ["otel", "OtelOptions"],
  "sendall/asyncapi": ["asyncapi", "AsyncApiOptions"],
  "sendall/sqlite": ["sqlite", "SqliteOptions"],
  "sendall/redis": ["redis", "redisHistory", "RedisOptions"],
  "sendall/nats": ["nats", "jetstream", "NatsOptions"],
  "sendall/workers": ["workers", "WorkersOptions"],
  "sendall/testing/cluster-adapter": ["testClusterAdapter", "memory"],
  "sendall/testing/history-store": ["testHistoryStore"],
};

const KINDS = [
  { title: "Functions", word: "Function", kind: ReflectionKind.Function },
  { title: "Variables", word: "Variable", kind: ReflectionKind.Variable },
  { title: "Classes", word: "Class", kind: ReflectionKind.Class },
  { title: "Interfaces", word: "Interface", kind: ReflectionKind.Interface },
  { title: "Types", word: "Type", kind: ReflectionKind.TypeAlias },
];
const VALUES = ReflectionKind.Function | ReflectionKind.Variable | ReflectionKind.Class;

/** @typedef {import("typedoc").DeclarationReflection} Declaration */

/** @type {import("typedoc").Router} */
let router;

/** @param {import("typedoc-plugin-markdown").MarkdownApplication} app */
export function load(app) {
  app.renderer.on(MarkdownRendererEvent.BEGIN, () => {
    if (app.renderer.router === undefined) throw new Error("typedoc has no router");
    router = app.renderer.router;
  });
  app.renderer.on(MarkdownPageEvent.END, (/** @type {MarkdownPageEvent} */ page) => {
    if (page.contents === undefined) return;
    const model = /** @type {Declaration} */ (page.model);
    page.contents = model.isProject() ? startPage(modulesOf(model)) : pageOf(model, page.contents);
  });
  app.renderer.on(MarkdownRendererEvent.END, (/** @type {MarkdownRendererEvent} */ { outputDirectory, project }) => {
    mkdirSync(outputDirectory, { recursive: true });
    writeFileSync(join(outputDirectory, "sidebar.json"), JSON.stringify(sidebars(modulesOf(project))));
  });
}

/**
 * The entry points in the order of `STARTS`.
 * @param {import("typedoc").ProjectReflection} project
 * @returns {Declaration[]}
 */
function modulesOf(project) {
  const order = Object.keys(STARTS);
  const modules = project.children ?? [];
  const odd = [...modules.map(({ name }) => name), ...order].find(
    (name) => !order.includes(name) || !modules.some((module) => module.name === name),
  );
  if (odd !== undefined) throw new Error(`docs/typedoc-pages.js and the entry points of package.json differ: ${odd}`);
  return modules.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/**
 * @param {Declaration} model
 * @param {string} contents
 */
function pageOf(model, contents) {
  const isModule = model.kind === ReflectionKind.Module;
  const body = contents
    .trimStart()
    .replace(/^# .*\n/, "")
    // Where a member comes from is a remark, not a section.
    .replaceAll(/^#+ (Inherited from|Overrides|Implementation of)\n\n(.+)$/gm, "*$1 $2*")
    .replaceAll(/^## (Extends|Extended by)\n\n((?:- .+\n)+)/gm, (_, word, list) => {
      return `*${word} ${list.trim().slice(2).split("\n- ").join(", ")}*\n`;
    });
  return [
    ...(isModule
      ? frontMatter(model.name, `The entry point ${model.name}: ${sentenceOf(model)}`)
      : frontMatter(
          `${nameOf(model)} (${model.parent?.name})`,
          `${nameOf(model)} of ${model.parent?.name}: ${sentenceOf(model)}`,
        )),
    `# ${nameOf(model)}`,
    ...(isModule ? [] : ["", importOf(model)]),
    body,
  ].join("\n");
}

/**
 * What is exported once more from another entry point has no page of its own.
 * @param {Declaration} model
 */
function isPage({ kind }) {
  return KINDS.some((one) => one.kind === kind);
}

/** @param {Declaration} model */
function importOf(model) {
  const { name, parent, kind } = model;
  const word = KINDS.find((one) => one.kind === kind)?.word ?? "";
  const type = (kind & VALUES) === 0 ? "type " : "";
  return `${word}: \`import ${type}{ ${name} } from "${parent?.name}";\``;
}

/** @param {Declaration} model */
function nameOf({ name, kind }) {
  return kind === ReflectionKind.Function ? `${name}()` : name;
}

/**
 * The first sentence of the comment, as plain text.
 * @param {Declaration} model
 */
function sentenceOf(model) {
  const { comment } = model.comment === undefined ? (model.signatures?.[0] ?? model) : model;
  const parts = comment?.summary ?? [];
  const text = parts.map((part) => part.text).join("");
  const words = text.replaceAll(/[`*]/g, "").replaceAll(/\s+/g, " ").trim();
  // A module says its own name first: "`sendall/client`: a client …".
  const own = words.replace(/^(?:The subpath )?sendall\S*: (.)/, (_, letter) => letter.toUpperCase());
  return /^.*?[.!?](?=\s|$)/.exec(own)?.[0] ?? own;
}

/**
 * @param {string} title
 * @param {string} description
 */
function frontMatter(title, description) {
  return [
    "---",
    `title: ${JSON.stringify(title)}`,
    `description: ${JSON.stringify(description)}`,
    "pageClass: api",
    "prev: false",
    "next: false",
    "---",
    "",
  ];
}

/**
 * The address within the site, without an ending. Not always the name: `NoReply` and `noreply` would be the same file on some systems.
 * @param {Declaration} model
 */
function pathOf(model) {
  return `/api/${router.getFullUrl(model).replace(/\.md$/, "")}`;
}

/** @param {Declaration[]} modules */
function startPage(modules) {
  const lines = modules.flatMap((module) => {
    const starts = STARTS[/** @type {keyof typeof STARTS} */ (module.name)].map((name) => {
      const child = module.children?.find((one) => one.name === name);
      if (child === undefined)
        throw new Error(`docs/typedoc-pages.js names ${module.name} ${name}, which is not exported`);
      return `[\`${nameOf(child)}\`](${pathOf(child)}.md)`;
    });
    return [`## [${module.name}](${pathOf(module)}.md)`, "", sentenceOf(module), "", starts.join(" · "), ""];
  });
  return [
    ...frontMatter("API", "Every exported name of Sendall, by entry point, with types, defaults and errors."),
    "# API",
    "",
    "Every exported name, by entry point, as the comments in the sources describe it. Each section links to the names to begin with, and",
    "the page of the entry point lists all of them. [Options](/reference/options.md) and [Errors](/reference/errors.md) say the same by subject.",
    "",
    ...lines,
  ].join("\n");
}

/**
 * The sidebar lists the entry points, and the names of the entry point that is shown.
 * @param {Declaration[]} modules
 */
function sidebars(modules) {
  const link = (/** @type {Declaration} */ module) => ({ text: module.name, link: pathOf(module) });
  const sidebar = (/** @type {Declaration | undefined} */ shown) => [
    {
      text: "API",
      link: "/api/",
      items: modules.map((one) => (one === shown ? { ...link(one), items: names(one) } : link(one))),
    },
  ];
  // VitePress compares beginnings of addresses, the longest first: `/api/sendall/client` is for `client.html` and all below `client/`.
  const paths = modules.flatMap((module) => (module.children ?? []).filter(isPage).map(pathOf));
  const own = modules.map((module) => {
    const other = paths.find((path) => path.startsWith(pathOf(module)) && !path.startsWith(`${pathOf(module)}/`));
    if (other !== undefined) throw new Error(`${other} would have the sidebar of ${module.name}`);
    return [pathOf(module), sidebar(module)];
  });
  return { ...Object.fromEntries(own), "/api/": sidebar(undefined) };
}

/** @param {Declaration} module */
function names(module) {
  return KINDS.map(({ title, kind }) => ({
    text: title,
    items: (module.children ?? [])
      .filter((child) => child.kind === kind)
      .sort((a, b) => a.name.localeCompare(b.name, "en"))
      .map((child) => ({ text: child.name, link: pathOf(child) })),
  })).filter(({ items }) => items.length > 0);
}
