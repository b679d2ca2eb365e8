/**
 * Where the programs of Bun and Deno are, which npm unpacks into a package for each platform: without an install script (`.npmrc`), the
 * commands in `node_modules/.bin` are stand-ins.
 */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("node_modules/", import.meta.url));
const PACKAGES = { bun: ["@oven", "bin/bun"], deno: ["@deno", "deno"] };

/**
 * The path of the program, or `undefined` when it is not installed.
 * @param {"bun" | "deno"} runtime
 */
export function findRuntime(runtime) {
  const [scope, program] = PACKAGES[runtime];
  const folder = `${MODULES}${scope}`;
  const platforms = existsSync(folder) ? readdirSync(folder) : [];
  return platforms.map((platform) => `${folder}/${platform}/${program}`).find((path) => existsSync(path));
}
