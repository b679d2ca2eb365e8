// @ts-check
/**
 * How `npm run docs` makes the API reference: from the TSDoc of every entry point in package.json, into docs/api/. It is a workspace of
 * its own because typedoc reads sources with the API of TypeScript 6; TypeScript 7, which compiles Sendall, has another one.
 */
import { readFileSync } from "node:fs";

/** @type {{ exports: Record<string, string | { types: string }> }} */
const { exports } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const types = Object.values(exports).flatMap((target) => (typeof target === "string" ? [] : target.types));
// Two subpaths may be one program: `./client` and `./client.min.js`.
const entryPoints = [...new Set(types)].map((path) => path.replace("./dist/", "../src/").replace(/\.d\.ts$/, ".ts"));

export default {
  name: "Sendall",
  entryPoints,
  tsconfig: "../src/tsconfig.json",
  plugin: ["typedoc-plugin-markdown", "./typedoc-pages.js"],
  router: "structure",
  out: "api",
  readme: "none",
  // `npm run check` compiles the same sources.
  skipErrorChecking: true,
  includeVersion: false,
  disableSources: true,
  sort: ["kind", "source-order"],
  groupOrder: ["Functions", "Variables", "Classes", "Interfaces", "Type Aliases", "*"],
  excludeExternals: true,
  excludePrivate: true,
  excludeInternal: true,
  // Only named by the types of others.
  intentionallyNotExported: [
    "Clock",
    "PartOf",
    "Refusal",
    "ServerActor",
    "AttachedServerOptions",
    "KnownData",
    "UpgradeListener",
    "DataOf",
    "Fits",
    "Answer",
    "Awaitable",
    "CallArguments",
    "Calls",
    "FromClient",
    "FromServer",
    "Messages",
    "PayloadArguments",
    "ReservedForClients",
    "ReservedForServers",
    "ReservedNames",
    "SpecOf",
    "StateContext",
    "StopContext",
  ],
  treatWarningsAsErrors: true,
  entryFileName: "index.md",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  indexFormat: "table",
  parametersFormat: "table",
  pageTitleTemplates: { module: "{name}", member: "{name}" },
};
