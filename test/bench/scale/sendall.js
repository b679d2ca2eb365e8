// @ts-check
/** Sendall as the benchmark loads it: the benchmark is a package of its own, and Sendall is the one around it. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../../package.json", import.meta.url));

/** @param {string} name @returns {Promise<any>} the module, of the type that the caller says */
export const load = (name) => import(pathToFileURL(require.resolve(name)).href);
