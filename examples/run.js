// @ts-check
// `npm run example <name>`: starts examples/<name>/server.js in this process, so that signals reach it, with the arguments after the name.
// An example in TypeScript (server.ts) is compiled into its folder dist/ first, since Node before 22.18 does not read TypeScript.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = new URL("./", import.meta.url);
/** @param {string} path */
const exists = (path) => existsSync(new URL(path, here));
const names = readdirSync(here).filter((name) => exists(`${name}/server.js`) || exists(`${name}/server.ts`));
const [name = "", ...args] = process.argv.slice(2);

// For people; a program that reads the log gets JSON.
if (process.stdout.isTTY) process.env.SENDALL_LOG_FORMAT ||= "pretty";

if (names.includes(name)) {
  const isTyped = exists(`${name}/server.ts`);
  if (isTyped && !compile(name)) process.exit(1);
  const server = new URL(isTyped ? `${name}/dist/server.js` : `${name}/server.js`, here);
  // As if the example had been started by itself.
  process.argv.splice(1, Number.POSITIVE_INFINITY, fileURLToPath(server), ...args);
  await import(server.href).catch((error) => {
    console.error(`${name} cannot start: ${error.message}`);
    process.exitCode = 1;
  });
} else {
  const problem = name === "" ? "Name an example" : `There is no example "${name}"`;
  console.error(`${problem}; there are ${names.join(", ")}`);
  process.exitCode = 2;
}

/** The compiler tells of mistakes itself. @param {string} example */
function compile(example) {
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", here));
  const folder = fileURLToPath(new URL(example, here));
  return spawnSync(process.execPath, [compiler, "-p", folder], { stdio: "inherit" }).status === 0;
}
