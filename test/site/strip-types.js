// @ts-check
/** Lets older versions of Node run the documentation's TypeScript, as newer ones do. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { transformSync } from "rolldown/utils";

/** @type {import("node:module").LoadHook} */
export async function load(url, context, nextLoad) {
  if (!/\.m?ts$/.test(url) || url.includes("/node_modules/")) return nextLoad(url, context);
  const path = fileURLToPath(url);
  const { code } = transformSync(path, readFileSync(path, "utf8"), { lang: "ts" });
  return { format: "module", source: code, shortCircuit: true };
}
