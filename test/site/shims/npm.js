// @ts-check
/**
 * `npm` as the pages' commands meet it: nothing is fetched, and no script of the repository is run within its own tests. Whether the packages
 * and the scripts exist is checked; what else npm does to `package.json`, npm itself does.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../../../", import.meta.url);
/** @param {URL | string} path */
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const own = readJson(new URL("package.json", root));
const [command = "", ...rest] = process.argv.slice(2);
const words = rest.filter((word) => !word.startsWith("-"));

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** @param {string} word `zod`, `zod@4`, `@types/node`, `./sendall-0.1.0.tgz` */
function isKnown(word) {
  const name = word.replace(/(?<=.)@.*$/, "");
  const isOwn = name === "sendall" || name === `./sendall-${own.version}.tgz`;
  const others = { ...own.dependencies, ...own.devDependencies, ...own.peerDependencies };
  return (
    isOwn ||
    name in others ||
    existsSync(new URL(`node_modules/${name}`, root)) ||
    existsSync(new URL(`test/next/node_modules/${name}`, root))
  );
}

function runScript(/** @type {string} */ name) {
  const local = existsSync("package.json") ? readJson("package.json").scripts?.[name] : undefined;
  if (local !== undefined) return process.exit(spawnSync("sh", ["-c", local], { stdio: "inherit" }).status ?? 1);
  if (own.scripts[name] === undefined) fail(`npm run ${name}: package.json has no such script`);
}

switch (command) {
  case "install":
  case "i": {
    const unknown = words.filter((word) => !isKnown(word));
    if (unknown.length > 0) fail(`npm install ${unknown.join(" ")}: the tests know no such package`);
    break;
  }
  case "ci":
  case "pack":
    break;
  case "run": {
    const [name = "", argument] = words;
    if (name !== "example") runScript(name);
    else if (argument !== undefined && !existsSync(fileURLToPath(new URL(`examples/${argument}`, root))))
      fail(`npm run example ${argument}: no such example`);
    break;
  }
  case "start":
  case "test":
    runScript(command);
    break;
  case "init":
  case "pkg": {
    const { PATH = "" } = process.env;
    const path = PATH.split(":")
      .filter((folder) => !folder.includes("/.pages/"))
      .join(":");
    process.exitCode =
      spawnSync("npm", [command, ...rest], { stdio: "ignore", env: { ...process.env, PATH: path, NODE_OPTIONS: "" } })
        .status ?? 1;
    break;
  }
  default:
    fail(`npm ${command}: the tests do not know how to play this command`);
}
