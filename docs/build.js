// @ts-check
/**
 * `npm run docs` builds the site: TypeDoc writes the API reference to docs/api/, VitePress builds all pages into docs/dist/. An error, a
 * warning of TypeDoc and a dead link end the build with code 1.
 *
 * - `npm run docs -- --out FOLDER` builds into another folder.
 * - `npm run docs -- --json FILE` writes what TypeDoc knows of every exported name, and builds no site.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const folder = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string" }, json: { type: "string" } } });
const { INIT_CWD: start = process.cwd() } = process.env;

process.chdir(folder);
try {
  await writeReference(values.json && fromStart(values.json));
  if (values.json === undefined) await buildSite(fromStart(values.out ?? `${folder}dist`));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

/** @param {string} path Relative to the folder in which npm was called. */
function fromStart(path) {
  return resolve(start, path);
}

/**
 * The API reference in docs/api/, or `json`.
 * @param {string | undefined} json
 */
async function writeReference(json) {
  const { Application, LogLevel } = await import("typedoc");
  const app = await Application.bootstrapWithPlugins({ logLevel: LogLevel.Warn });
  const project = await app.convert();
  if (project !== undefined) {
    app.validate(project);
    await (json === undefined ? app.generateOutputs(project) : app.generateJson(project, json));
  }
  // TypeDoc has printed what is wrong.
  if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
}

/** @param {string} outDir */
async function buildSite(outDir) {
  const { build } = await import("vitepress");
  await build(folder, { outDir });
}
