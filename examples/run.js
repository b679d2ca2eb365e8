// @ts-check
// `npm run example <name>`: starts examples/<name>/server.js in this process, so that signals reach it.
import { existsSync, readdirSync } from "node:fs";

const here = new URL("./", import.meta.url);
const names = readdirSync(here).filter((name) => existsSync(new URL(`${name}/server.js`, here)));
const [name = ""] = process.argv.slice(2);

// For people; a program that reads the log gets JSON.
if (process.stdout.isTTY) process.env.SENDALL_LOG_FORMAT ||= "pretty";

if (names.includes(name)) {
  await import(`./${name}/server.js`).catch((error) => {
    console.error(`${name} cannot start: ${error.message}`);
    process.exitCode = 1;
  });
} else {
  const problem = name === "" ? "Name an example" : `There is no example "${name}"`;
  console.error(`${problem}; there are ${names.join(", ")}`);
  process.exitCode = 2;
}
