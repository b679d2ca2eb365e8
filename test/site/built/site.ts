/** Builds the site once, as `npm run docs` does, and reads its files. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Page, readPage } from "./html.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** What an address is resolved against, so that an address of another origin is told from a path. */
const ORIGIN = "http://site.example";

export interface Site {
  readonly folder: string;
  /** Every file as a browser asks for it: `/logo.svg`. */
  readonly files: ReadonlySet<string>;
  /** By path: `/guides/sessions.html`. The page for wrong addresses (`404.html`) is no page. */
  readonly pages: ReadonlyMap<string, Page>;
  readonly home: Page;
  read(path: string): string;
  remove(): void;
}

/** `SENDALL_SITE=docs/dist` reads a site that is built already, for work on the tests alone. */
export async function buildSite(): Promise<Site> {
  const { SENDALL_SITE: built } = process.env;
  if (built !== undefined) return readSite(resolve(ROOT, built), () => undefined);
  const folder = mkdtempSync(join(tmpdir(), "sendall-site-"));
  const remove = (): void => rmSync(folder, { recursive: true });
  try {
    await promisify(execFile)("npm", ["run", "docs", "--", "--out", folder], { cwd: ROOT });
    return readSite(folder, remove);
  } catch (error) {
    remove();
    throw error;
  }
}

function readSite(folder: string, remove: () => void): Site {
  const read = (path: string): string => readFileSync(join(folder, path), "utf8");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll("\\", "/"));
  const paths = files.filter((path) => path.endsWith(".html") && path !== "/404.html");
  const pages = new Map(paths.map((path) => [path, readPage(path, read(path))]));
  const home = pages.get("/index.html");
  if (home === undefined) throw new Error(`${folder} has no index.html`);
  return { folder, files: new Set(files), pages, home, read, remove };
}

export interface Target {
  /** The file in the folder of the site. */
  readonly path: string;
  /** The id within the page, or `""`. */
  readonly id: string;
}

/** Where an address on a page leads to within the site, or `undefined` if it leads elsewhere. */
export function targetOf(from: string, address: string): Target | undefined {
  const url = new URL(address, ORIGIN + from);
  if (url.origin !== ORIGIN) return undefined;
  const path = decodeURIComponent(url.pathname);
  return {
    path: path.endsWith("/") ? posix.join(path, "index.html") : path,
    id: decodeURIComponent(url.hash.slice(1)),
  };
}

/** Each address within the site that leads to no page, or to no place of its page, with a page that links there. */
export function faultsOf({ pages, files }: Site): string[] {
  const faults = new Map<string, string>();
  for (const { path: from, links } of pages.values()) {
    for (const link of links) {
      const target = targetOf(from, link);
      if (target === undefined || (target.id === "" && files.has(target.path))) continue;
      if (pages.get(target.path)?.ids.has(target.id)) continue;
      const address = `${target.path}#${target.id}`;
      faults.set(address, faults.get(address) ?? from);
    }
  }
  return Array.from(faults, ([address, from]) => `${address} from ${from}`);
}

/** Every page that the links of a page lead to, directly or by way of other pages. */
export function reachable({ pages, home }: Site): Set<string> {
  const found = new Set([home.path]);
  for (const path of found) {
    for (const link of pages.get(path)?.links ?? []) {
      const target = targetOf(path, link)?.path;
      if (target !== undefined && pages.has(target)) found.add(target);
    }
  }
  return found;
}
