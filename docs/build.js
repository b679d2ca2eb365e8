// @ts-check
/**
 * `npm run docs` builds the site: TypeDoc writes the API reference to docs/api/, VitePress builds all pages into docs/dist/. An error, a
 * warning of TypeDoc and a dead link end the build with code 1.
 *
 * - `npm run docs -- --out FOLDER` builds into another folder.
 * - `npm run docs -- --json FILE` writes what TypeDoc knows of every exported name, and builds no site.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const folder = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string" }, json: { type: "string" } } });
const { INIT_CWD: start = process.cwd() } = process.env;

process.chdir(folder);
await writeReference(values.json && fromStart(values.json));
if (values.json === undefined) await buildSite(fromStart(values.out ?? `${folder}dist`));

/** @param {string} path Relative to the folder in which npm was called. */
function fromStart(path) {
  return fileURLToPath(new URL(path, `file://${start}/`));
}

/** @param {string | undefined} json */
async function writeReference(json) {
  const { Application, Configuration, LogLevel } = await import("typedoc");
  void Configuration;
  const app = await Application.bootstrapWithPlugins({ logLevel: LogLevel.Warn });
  const project = await app.convert();
  if (project === undefined || app.logger.hasErrors()) process.exit(1);
  app.validate(project);
  if (json === undefined) await app.generateOutputs(project);
  else await app.generateJson(project, json);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
}

/** @param {string} outDir */
async function buildSite(outDir) {
  const { build } = await import("vitepress");
  await build(folder, { outDir });
}
